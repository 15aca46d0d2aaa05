"""KFP face of `towerflow.steps.train`."""

from kfp import dsl

from components.images import GPU_IMAGE


@dsl.component(base_image=GPU_IMAGE, install_kfp_package=False)
def train(
    dataset: dsl.Input[dsl.Dataset],
    item_embeddings: dsl.Input[dsl.Artifact],
    recipe: str,
    seed: int,
    initial_model: str,
    checkpoints: str,
    model: dsl.Output[dsl.Model],
):
    """Train the recipe's model, selected on validation."""
    from pathlib import Path

    from towerflow.steps.train import train

    train(
        dataset=Path(dataset.path),
        item_embeddings=Path(item_embeddings.path),
        recipe=recipe,
        seed=int(seed),  # kfp.local hands the numbers of a loop over as floats
        initial_model=initial_model,
        checkpoints=checkpoints,
        model=Path(model.path),
    )
