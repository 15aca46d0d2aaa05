"""KFP face of `towerflow.steps.merge_embeddings`."""

from typing import List  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def merge_embeddings(
    shards: dsl.Input[List[dsl.Artifact]],  # noqa: UP006
    item_embeddings: dsl.Output[dsl.Artifact],
    counts: dsl.Output[dsl.Metrics],
):
    """Put the shards of embeddings together, row = item_index."""
    import json
    from pathlib import Path

    from towerflow.steps.merge_embeddings import merge_embeddings

    merge_embeddings(
        shards=[Path(shard.path) for shard in shards],
        item_embeddings=Path(item_embeddings.path),
        counts=Path(counts.path),
    )
    for name, value in json.loads(Path(counts.path).read_text("utf-8")).items():
        counts.log_metric(name, value)
