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
    preset: str,
    columns: List[str],  # noqa: UP006
    item_template: str,
    slice_columns: List[str],  # noqa: UP006
    min_rating: float,
    repeats: str,
    bot_quantile: float,
    max_history: int,
    min_user_interactions: int,
    min_item_interactions: int,
    catalogue: str,
    split: str,
    split_share: float,
    few_shot: str,
    split_seed: int,
    previous_dataset: str,
    max_rejected_share: float,
    unknown_items: str,
    beam_runner: str,
    beam_options: List[str],  # noqa: UP006
    dataset: dsl.Output[dsl.Dataset],
    rejected: dsl.Output[dsl.Dataset],
    counts: dsl.Output[dsl.Metrics],
) -> List[int]:  # noqa: UP006
    """Clean, filter, index and split the raw data; returns the shard numbers."""
    import json
    from pathlib import Path

    from towerflow.steps.preprocess import preprocess

    shards = preprocess(
        items=items,
        interactions=interactions,
        data_version=data_version,
        num_shards=num_shards,
        preset=preset,
        columns=columns,
        item_template=item_template,
        slice_columns=slice_columns,
        min_rating=min_rating,
        repeats=repeats,
        bot_quantile=bot_quantile,
        max_history=max_history,
        min_user_interactions=min_user_interactions,
        min_item_interactions=min_item_interactions,
        catalogue=catalogue,
        split=split,
        split_share=split_share,
        few_shot=few_shot,
        split_seed=split_seed,
        previous_dataset=previous_dataset,
        max_rejected_share=max_rejected_share,
        unknown_items=unknown_items,
        beam_runner=beam_runner,
        beam_options=beam_options,
        dataset=Path(dataset.path),
        rejected=Path(rejected.path),
        counts=Path(counts.path),
    )
    for name, value in json.loads(Path(counts.path).read_text("utf-8")).items():
        counts.log_metric(name, value)
    return shards
