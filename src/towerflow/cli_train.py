"""`towerflow train`: the training step alone, for several processes that `torchrun` starts.

torchrun --nproc-per-node 2 --no-python towerflow train --dataset … --item-embeddings … --model …
"""

import os
from pathlib import Path
from typing import Annotated, Final

import torch
import torch.distributed as dist
import typer

from towerflow.cli_recipe import resolve_recipe
from towerflow.recipes import DEFAULT_RECIPE
from towerflow.steps.train import OWN_SEED
from towerflow.steps.train import train as train_step

WORLD_SIZE: Final = "WORLD_SIZE"  # as torchrun and Kubeflow Trainer set them
LOCAL_RANK: Final = "LOCAL_RANK"

Seed = Annotated[
    int, typer.Option(min=OWN_SEED, help="Of training.", show_default="the recipe's own")
]
InitialModel = Annotated[
    str, typer.Option(help="Model or release to start from.", show_default="from scratch")
]
Checkpoints = Annotated[
    str,
    typer.Option(
        help="Folder, local or gs://, from which interrupted training goes on.",
        show_default="in the cache",
    ),
]


def train(
    dataset: Annotated[Path, typer.Option(help="Dataset artifact.")],
    item_embeddings: Annotated[Path, typer.Option(help="ItemEmbeddings of that Dataset.")],
    model: Annotated[Path, typer.Option(help="Where the RetrievalModel is written.")],
    recipe: Annotated[str, typer.Option(help="Name of a recipe, or a YAML file.")] = DEFAULT_RECIPE,
    seed: Seed = OWN_SEED,
    initial_model: InitialModel = "",
    checkpoints: Annotated[
        str, typer.Option(help="Folder from which interrupted training goes on.")
    ] = "",
) -> None:
    """Train one model, in as many processes as torchrun started."""
    is_distributed = int(os.environ.get(WORLD_SIZE, "1")) > 1
    if is_distributed:
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ[LOCAL_RANK]))
        dist.init_process_group()
    try:
        chosen = resolve_recipe(recipe)
        train_step(dataset, item_embeddings, chosen, seed, initial_model, checkpoints, model)
    finally:
        if is_distributed:
            dist.destroy_process_group()
