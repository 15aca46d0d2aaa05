"""KFP face of `towerflow.steps.evaluate`."""

from kfp import dsl

from components.images import CPU_IMAGE


@dsl.component(base_image=CPU_IMAGE, install_kfp_package=False)
def evaluate(
    dataset: dsl.Input[dsl.Dataset],
    item_embeddings: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    release_root: str,
    hide_history: bool,
    sampled_negatives: int,
):
    """Measure the model on the test split beside baselines and champion, and report."""
    from pathlib import Path

    from towerflow.steps.evaluate import evaluate

    measured = evaluate(
        dataset=Path(dataset.path),
        item_embeddings=Path(item_embeddings.path),
        model=Path(model.path),
        metrics=Path(metrics.path),
        report=Path(report.path),
        release_root=release_root,
        hide_history=hide_history,
        sampled_negatives=int(sampled_negatives),
    )
    for name, value in measured.items():
        metrics.log_metric(name, value)
