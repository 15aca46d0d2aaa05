"""KFP face of `towerflow.steps.export_index`."""

from typing import List  # noqa: UP035 (kfp reads this spelling)

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def export_index(
    dataset: dsl.Input[dsl.Dataset],
    item_embeddings: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Model],
    index_kind: str,
    recall_target: float,
    memory_limit: int,
    export_formats: List[str],  # noqa: UP006
    index: dsl.Output[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
):
    """Write all that serving needs: index, id map, user tower, histories."""
    from pathlib import Path

    from towerflow.steps.export_index import export_index

    export_index(
        dataset=Path(dataset.path),
        item_embeddings=Path(item_embeddings.path),
        model=Path(model.path),
        index_kind=index_kind,
        recall_target=recall_target,
        memory_limit=int(memory_limit),
        export_formats=export_formats,
        index=Path(index.path),
        summary=Path(summary.path),
    )
