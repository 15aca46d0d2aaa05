"""`towerflow train-job`: the manifest of a training on several nodes, for `kubectl apply`."""

import os
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError

from towerflow.cli_environment import Env, required_environment
from towerflow.cli_output import announce
from towerflow.cli_recipe import resolve_recipe
from towerflow.cli_train import InitialModel, Seed
from towerflow.cluster.train_job import JobKind, TrainingJob, left_to_runtime, render
from towerflow.errors import InputError
from towerflow.recipes import DEFAULT_RECIPE, OWN_SEED, load_recipe
from towerflow.storage.files import write_text


def train_job(
    dataset: Annotated[str, typer.Option(help="Dataset artifact, on a volume.")],
    item_embeddings: Annotated[
        str, typer.Option(help="ItemEmbeddings of that Dataset, on a volume.")
    ],
    model: Annotated[str, typer.Option(help="Where the RetrievalModel is written, on a volume.")],
    env: Env = "",
    recipe: Annotated[str, typer.Option(help="Name of a recipe, or a YAML file.")] = DEFAULT_RECIPE,
    seed: Seed = OWN_SEED,
    initial_model: InitialModel = "",
    checkpoints: Annotated[
        str,
        typer.Option(help="Folder from which interrupted training goes on: a URI, or on a volume."),
    ] = "",
    kind: Annotated[
        JobKind, typer.Option(help="TrainJob of Kubeflow Trainer, or PyTorchJob of the operator.")
    ] = JobKind.TRAIN_JOB,
    nodes: Annotated[int, typer.Option(min=1, help="Pods, each on its machine.")] = 2,
    gpus_per_node: Annotated[
        int, typer.Option(min=0, help="One process each; 0: one process, on CPUs.")
    ] = 1,
    gpu_type: Annotated[str, typer.Option(help="Resource to ask for.")] = "nvidia.com/gpu",
    runtime: Annotated[str, typer.Option(help="TrainJob: runtime to use.")] = "torch-distributed",
    name: Annotated[str, typer.Option(help="Of the object.")] = "towerflow-train",
    output: Annotated[
        Path | None, typer.Option(help="YAML file.", show_default="standard output")
    ] = None,
) -> None:
    """Print the manifest of a training on several nodes, for Kubeflow Trainer."""
    path, environment = required_environment(env)
    image = environment.image_variables(os.environ, path, ["gpu"])["TOWERFLOW_GPU_IMAGE"]
    text = resolve_recipe(recipe)
    try:
        job = TrainingJob(
            kind=kind,
            name=name,
            nodes=nodes,
            gpus_per_node=gpus_per_node,
            gpu_type=gpu_type,
            runtime=runtime,
            dataset=dataset,
            item_embeddings=item_embeddings,
            model=model,
            recipe=text,
            seed=seed,
            initial_model=initial_model,
            checkpoints=checkpoints,
        )
    except ValidationError as error:
        raise InputError.from_validation("train-job", "names as in Kubernetes", error) from None
    job.require_shareable(load_recipe(text))
    job.require_reachable(environment, path)
    manifest = yaml.safe_dump(render(job, environment, image), sort_keys=False)
    if output:
        write_text(output, manifest)
        announce(str(output))
    else:
        print(manifest, end="")
    if left := left_to_runtime(job, environment):
        typer.echo(
            f"towerflow: note: the runtime {runtime} decides on {' and '.join(left)}", err=True
        )
