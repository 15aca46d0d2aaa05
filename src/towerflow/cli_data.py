"""Options of the command line that say how raw data becomes a Dataset; `run` passes them on."""

from enum import StrEnum
from typing import Annotated

import typer

from towerflow.ingest.presets import PRESETS
from towerflow.interactions.catalogue import CatalogueScope
from towerflow.interactions.filters import Repeats
from towerflow.interactions.splits import FewShot, SplitKind
from towerflow.text.template import TEMPLATES

PANEL = "Data"


class UnknownItems(StrEnum):
    """What to do with interactions that name items which the items lack."""

    ERROR = "error"
    REJECT = "reject"


Items = Annotated[
    str, typer.Option(help="File, folder or glob of items.", show_default="MovieLens-100k")
]
Interactions = Annotated[
    str, typer.Option(help="File, folder or glob of interactions.", show_default="MovieLens-100k")
]

Preset = Annotated[
    str,
    typer.Option(
        help=f"Layout of a public dump: {', '.join(filter(None, PRESETS))}.",
        rich_help_panel=PANEL,
        show_default="your own",
    ),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", help="Our column name = yours, as item_id=asin; repeat.", rich_help_panel=PANEL
    ),
]
ItemTemplate = Annotated[
    str,
    typer.Option(
        help=f"What the LLM reads: {', '.join(TEMPLATES)}, or a text with {{fields}}.",
        rich_help_panel=PANEL,
    ),
]
SliceColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--slice-column",
        help="A column of either source by whose values metrics are shown; repeat.",
        rich_help_panel=PANEL,
    ),
]
MinRating = Annotated[
    float,
    typer.Option(
        help="Interactions rated lower are left out.", rich_help_panel=PANEL, show_default="none"
    ),
]
RepeatsKept = Annotated[
    Repeats,
    typer.Option(
        help="Which of a user's interactions with an item are kept.", rich_help_panel=PANEL
    ),
]
BotQuantile = Annotated[
    float,
    typer.Option(
        help="Users with longer histories than this quantile are left out.", rich_help_panel=PANEL
    ),
]
MaxHistory = Annotated[
    int,
    typer.Option(
        min=0,
        help="Most recent interactions of a user that are kept.",
        rich_help_panel=PANEL,
        show_default="all",
    ),
]
MinUserInteractions = Annotated[
    int, typer.Option(min=1, help="Users with fewer are left out …", rich_help_panel=PANEL)
]
MinItemInteractions = Annotated[
    int,
    typer.Option(min=1, help="… and items, until all have enough (k-core).", rich_help_panel=PANEL),
]
Catalogue = Annotated[
    CatalogueScope,
    typer.Option(help="Rank all items, or those interacted with.", rich_help_panel=PANEL),
]
Split = Annotated[
    SplitKind, typer.Option(help="What is kept for validation and test.", rich_help_panel=PANEL)
]
SplitShare = Annotated[
    float,
    typer.Option(
        help="Of events (global-time) or items (new-items), for each of the two.",
        rich_help_panel=PANEL,
    ),
]
FewShotKept = Annotated[
    FewShot,
    typer.Option(
        help="Training interactions taken away: all but a single one a user, or half.",
        rich_help_panel=PANEL,
    ),
]
SplitSeed = Annotated[
    int, typer.Option(min=0, help="Of what is random in a split.", rich_help_panel=PANEL)
]
HideHistory = Annotated[
    bool,
    typer.Option(
        "--hide-history/--show-history",
        help="Leave out of the test's ranking what users have taken before.",
        rich_help_panel=PANEL,
    ),
]
SampledNegatives = Annotated[
    int,
    typer.Option(
        min=0,
        help="Rank only so many drawn items in the test; 0: the whole catalogue. Such figures can "
        "order models wrongly.",
        rich_help_panel=PANEL,
    ),
]
PreviousDataset = Annotated[
    str,
    typer.Option(
        help="An earlier Dataset, to tell new, changed and gone items.",
        rich_help_panel=PANEL,
        show_default="none",
    ),
]
MaxRejectedShare = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="Share of unusable rows that stops the run.", rich_help_panel=PANEL
    ),
]
UnknownItemsKept = Annotated[
    UnknownItems,
    typer.Option(
        help="Interactions that name unknown items stop the run or not.", rich_help_panel=PANEL
    ),
]
BeamRunnerName = Annotated[str, typer.Option(help="Where Beam runs.", rich_help_panel="Beam")]
BeamOptions = Annotated[
    list[str] | None,
    typer.Option("--beam-option", help="As project=my-project; repeat.", rich_help_panel="Beam"),
]
