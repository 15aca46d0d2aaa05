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
    hide_history: bool,
):
    """Measure the model on the test split beside two baselines, and write the report."""
    from pathlib import Path

    from towerflow.steps.evaluate import evaluate

    measured = evaluate(
        dataset=Path(dataset.path),
        item_embeddings=Path(item_embeddings.path),
        model=Path(model.path),
        metrics=Path(metrics.path),
        report=Path(report.path),
        hide_history=hide_history,
    )
    for name, value in measured.items():
        metrics.log_metric(name, value)
