"""KFP face of `towerflow.steps.export_index`."""

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def export_index(
    dataset: dsl.Input[dsl.Dataset],
    item_embeddings: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Model],
    index: dsl.Output[dsl.Artifact],
):
    """Write all that serving needs: index, id map, user tower, histories."""
    from pathlib import Path

    from towerflow.steps.export_index import export_index

    export_index(
        dataset=Path(dataset.path),
        item_embeddings=Path(item_embeddings.path),
        model=Path(model.path),
        index=Path(index.path),
    )
