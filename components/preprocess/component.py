"""KFP face of `towerflow.steps.preprocess`."""

from typing import List  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def preprocess(
    items: str,
    interactions: str,
    data_version: str,
    num_shards: int,
    min_interactions: int,
    max_rejected_share: float,
    unknown_items: str,
    dataset: dsl.Output[dsl.Dataset],
    rejected: dsl.Output[dsl.Dataset],
) -> List[int]:  # noqa: UP006
    """Clean, index and split the raw data; returns the shard numbers."""
    from pathlib import Path

    from towerflow.steps.preprocess import preprocess

    return preprocess(
        items=items,
        interactions=interactions,
        data_version=data_version,
        num_shards=num_shards,
        min_interactions=min_interactions,
        max_rejected_share=max_rejected_share,
        unknown_items=unknown_items,
        dataset=Path(dataset.path),
        rejected=Path(rejected.path),
    )
