"""`towerflow train`: the training step alone; on several nodes `torchrun` starts it.

torchrun --nnodes 2 … --no-python towerflow train --dataset … --item-embeddings … --model …
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import torch.distributed as dist
import typer

from towerflow.cli_recipe import resolve_recipe
from towerflow.recipes import DEFAULT_RECIPE, OWN_SEED
from towerflow.steps.train import train as train_step
from towerflow.training.launch import process_group

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
    """Train one model: in the processes that torchrun started, or in one on each GPU."""
    chosen = resolve_recipe(recipe)
    # Also where torchrun started a single one, which is then not to start others.
    with process_group() if dist.is_torchelastic_launched() else nullcontext():
        train_step(dataset, item_embeddings, chosen, seed, initial_model, checkpoints, model)
