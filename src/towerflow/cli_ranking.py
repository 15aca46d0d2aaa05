"""`towerflow ranking fit | features`: a release's vectors as features of a ranking model."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from towerflow.ranking.adaptor import RankingAdaptorConfig
from towerflow.ranking.artifact import train_ranking_adaptor, write_ranking_features

app = typer.Typer(no_args_is_help=True, help="Turn vectors into features of a ranking model.")
console = Console(highlight=False)

ReleaseRoot = Annotated[str, typer.Option(help="Release root; its current release is used.")]


@app.command()
def fit(
    release_root: ReleaseRoot,
    conversions: Annotated[
        Path, typer.Option(help="Parquet: user_id, item_id, converted (0 or 1), after training.")
    ],
    output: Annotated[Path, typer.Option(help="Folder for the adaptor.")],
    fusion_dim: Annotated[int, typer.Option(min=1, help="Length of the fusion embedding.")] = 32,
    held_out_share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Share of users who choose the epoch.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and who is held out.")] = 0,
) -> None:
    """Train LEARN's adaptor to tell conversions, on the current release's vectors."""
    config = RankingAdaptorConfig(fusion_dim=fusion_dim, held_out_share=held_out_share, seed=seed)
    found = train_ranking_adaptor(release_root, conversions, config, output)
    console.print(f"AUC {found:.4f} on held-out users; the adaptor is in {output}")


@app.command()
def features(
    release_root: ReleaseRoot,
    adaptor: Annotated[Path, typer.Option(help="Folder of the adaptor.")],
    pairs: Annotated[Path, typer.Option(help="Parquet: user_id, item_id and what else you have.")],
    output: Annotated[Path, typer.Option(help="Parquet file to write.")],
) -> None:
    """Write fusion, user vector and item vector beside each pair."""
    unknown = write_ranking_features(adaptor, release_root, pairs, output)
    left_out = f"; {unknown:,} rows of unknown users or items left out" if unknown else ""
    console.print(f"features are in {output}{left_out}")
