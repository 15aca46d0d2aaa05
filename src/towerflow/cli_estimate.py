"""`towerflow estimate`: what embedding a catalogue will take, before it is paid for."""

import tempfile
from typing import Annotated

import torch
import typer
from rich.filesize import decimal
from rich.table import Table

from towerflow import bundled, cli_data, cli_encoder
from towerflow.cli_cache import cache_folder
from towerflow.cli_output import announce, console
from towerflow.cli_source import DataSource, find_data
from towerflow.embedding.devices import devices
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.estimate import ASSUMED_UTILISATION, Estimate
from towerflow.embedding.estimate import estimate as estimate_texts
from towerflow.embedding.precision import AUTO, resolve_precision
from towerflow.embedding.source import find_encoder
from towerflow.ingest.layout import parse_columns
from towerflow.ingest.presets import find_preset
from towerflow.schema import TEXT
from towerflow.text.template import parse_template


def estimate(
    items: cli_data.Items = "",
    num_items: Annotated[
        int,
        typer.Option(
            min=1, help="Of the catalogue to come.", show_default="as many as there are in --items"
        ),
    ] = 0,
    hour_price: Annotated[
        float, typer.Option(min=0, help="Of a GPU, in any currency.", show_default="not shown")
    ] = 0.0,
    model: cli_encoder.Model = bundled.DEFAULT_ENCODER,
    prompt: cli_encoder.Prompt = "",
    max_tokens: cli_encoder.MaxTokens = 128,
    precision: cli_encoder.PrecisionName = AUTO,
    preset: cli_data.Preset = "",
    column: cli_data.Columns = None,
    item_template: cli_data.ItemTemplate = "plain",
) -> None:
    """Estimate GPU-hours, tokens and disk for a catalogue, from a sample of its texts."""
    raw = find_data(items, items, preset, column or [], item_template, announce)
    chosen = cli_encoder.choose_encoder(model, cache_folder(), announce)
    device = devices()[0]
    source = find_encoder(chosen.location, cache_folder() / "encoders")
    settings = source.defaults.changed(
        pooling=chosen.pooling,
        layer=-1,
        prompt=prompt,
        l2=chosen.l2,
        max_tokens=max_tokens,
        precision=resolve_precision(precision, torch.device(device)),
    )
    texts = _texts(raw)
    announce(f"reading a sample of {len(texts):,} texts with {source.name} on {device}")
    encoder = FrozenEncoder(source.fetch(), settings, device)
    found = estimate_texts(encoder, texts, num_items or len(texts), device)
    _print(found, device, hour_price)


def _texts(raw: DataSource) -> list[str]:
    """The texts that the LLM would read, as `preprocess` makes them."""
    # Beam takes seconds to import, which no other command should wait for.
    from towerflow.ingest.beam_runner import BeamRunner
    from towerflow.ingest.pipeline import ingest_items
    from towerflow.ingest.prepare import find_items
    from towerflow.interactions.assemble import unique_items

    segments = parse_template(raw.item_template)
    layouts = find_preset(raw.preset).with_columns(parse_columns(raw.columns))
    found = find_items(raw.items, layouts.items, segments, ())
    with tempfile.TemporaryDirectory() as workspace:
        checked, _ = ingest_items(BeamRunner(), found.files, found.columns, segments, workspace)
    texts: list[str] = unique_items(checked).accepted[TEXT].to_pylist()
    return texts


def _print(found: Estimate, device: str, hour_price: float) -> None:
    console.print(
        f"\n{found.num_items:,} items, {found.num_texts:,} distinct texts, "
        f"{found.tokens:,} tokens, {found.flops / 1e15:,.1f} PFLOP, "
        f"{decimal(found.store_bytes)} in the store"
    )
    table = Table("one device", "hours", *(["price"] if hour_price else []))
    for name, hours in [
        (f"{device}, measured here", found.measured_seconds / 3600),
        *((name, hours) for name, hours in found.gpu_hours.items()),
    ]:
        price = f"{hours * hour_price:,.2f}" if name in found.gpu_hours else ""
        table.add_row(name, f"{hours:,.3f}", *([price] if hour_price else []))
    console.print(table)
    console.print(
        f"GPUs at {ASSUMED_UTILISATION:.0%} of their bfloat16 peak; a run tells what it reached."
    )
