"""`preprocess`: raw items and interactions to a clean, indexed, split Dataset."""

import json
from pathlib import Path
from typing import Final, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from towerflow import schema
from towerflow.errors import InputError
from towerflow.ingest.beam_runner import BeamRunner
from towerflow.ingest.layout import parse_columns
from towerflow.ingest.prepare import (
    Plan,
    check_mapping,
    check_slices,
    count_reasons,
    find_interactions,
    find_items,
    prepare,
)
from towerflow.ingest.presets import find_preset
from towerflow.ingest.slices import parse_slice_columns
from towerflow.interactions.assemble import write_interactions
from towerflow.interactions.catalogue import CatalogueScope
from towerflow.interactions.changes import CHANGES_FILE, compare_items, count_changes
from towerflow.interactions.dataset import INTERACTIONS_FILE, ITEMS_FILE
from towerflow.interactions.filters import Filters
from towerflow.interactions.splits import SplitConfig
from towerflow.schema import REJECTED_FILE, ArtifactKind
from towerflow.storage.artifact import local_artifact, new_artifact, read_manifest
from towerflow.storage.files import write_text
from towerflow.text.template import parse_template

STEP: Final = "preprocess"

Config = TypeVar("Config", bound=BaseModel)


def preprocess(
    items: str,
    interactions: str,
    data_version: str,
    num_shards: int,
    preset: str,
    columns: list[str],
    item_template: str,
    slice_columns: list[str],
    min_rating: float,
    repeats: str,
    bot_quantile: float,
    max_history: int,
    min_user_interactions: int,
    min_item_interactions: int,
    catalogue: str,
    split: str,
    split_share: float,
    few_shot: str,
    split_seed: int,
    previous_dataset: str,
    max_rejected_share: float,
    unknown_items: str,
    beam_runner: str,
    beam_options: list[str],
    dataset: Path,
    rejected: Path,
    counts: Path,
) -> list[int]:
    """Read, check and clean the raw data, filter, index and split it, and write the artifacts.

    Args:
        items: file, folder or glob of items, local or gs://.
        interactions: file, folder or glob of interactions, local or gs://.
        data_version: of all that a run reads; recorded, and what tells KFP's cache of a change.
        num_shards: how many tasks will embed the items.
        preset: layout of a public dump (`ingest.presets`), or "".
        columns: our names and the files', as `item_id=asin`.
        item_template: "plain", "learn" or a template with fields in braces.
        slice_columns: of either source, the files' names or ours; their values are carried through.
        min_rating: interactions rated lower are left out; 0: ratings are not read.
        repeats: of a user's interactions with an item keep "first", "last" or "all".
        bot_quantile: users with longer histories than this quantile are left out; 1: nobody.
        max_history: most recent interactions of a user that are kept; 0: all.
        min_user_interactions: users with fewer are left out …
        min_item_interactions: … and interactions with items that have fewer, until all have enough.
        catalogue: "all" items, or only those "interacted" with after filtering.
        split: see `interactions.splits.SplitKind`.
        split_share: of events or items for test and again for validation, where the split asks.
        few_shot: training interactions taken away: "none", all but a "single" one, or "half".
        split_seed: of what is random in a split.
        previous_dataset: folder of a Dataset or release to compare the items with, or "".
        max_rejected_share: of the rows of either source, 0 to 1; more rejects stop the run.
        unknown_items: interactions with items that the items lack are an "error", or "reject"ed.
        beam_runner: Beam's name of the runner.
        beam_options: options of Beam and its runner, each like `project=my-project`.
        dataset: where the Dataset is written.
        rejected: where the Rejected rows are written.
        counts: JSON file with all row counts, for the UI.

    Returns:
        The shard numbers, 0 … num_shards - 1.

    Raises:
        InputError: the sources cannot give a Dataset; no artifact is written.
    """
    if num_shards < 1:
        raise InputError(
            "num_shards", expected="a whole number of at least 1", found=str(num_shards)
        )
    mapping = parse_columns(columns)
    plan = Plan(
        layouts=find_preset(preset).with_columns(mapping),
        segments=parse_template(item_template),
        filters=_parse(
            Filters,
            min_rating=min_rating or None,
            repeats=repeats,
            bot_quantile=bot_quantile,
            max_history=max_history,
            min_user_interactions=min_user_interactions,
            min_item_interactions=min_item_interactions,
        ),
        split=_parse(
            SplitConfig, kind=split, share=split_share, few_shot=few_shot, seed=split_seed
        ),
        scope=_scope(catalogue),
        max_rejected_share=_share("max_rejected_share", max_rejected_share),
        refuse_unknown=_refuse_unknown(unknown_items),
        slice_columns=parse_slice_columns(slice_columns),
        runner=BeamRunner(beam_runner, tuple(beam_options)),
    )
    previous = _previous_items(previous_dataset)
    plan.runner.use()
    found_items, found_interactions = (
        find_items(items, plan.layouts.items, plan.segments, plan.slice_columns),
        find_interactions(interactions, plan),
    )
    check_mapping(mapping, found_items, found_interactions)
    check_slices(plan.slice_columns, found_items, found_interactions)
    with (
        plan.runner.workspace() as workspace,
        new_artifact(dataset, ArtifactKind.DATASET, STEP) as data_draft,
        new_artifact(rejected, ArtifactKind.REJECTED, STEP) as rejected_draft,
    ):
        prepared = prepare(found_items, found_interactions, plan, workspace, _tell)
        pq.write_table(prepared.items, data_draft.folder / ITEMS_FILE, compression="zstd")
        num_users = write_interactions(
            prepared.shards, data_draft.folder / INTERACTIONS_FILE, found_interactions.columns
        )
        pq.write_table(prepared.rejected, rejected_draft.folder / REJECTED_FILE, compression="zstd")
        reasons = count_reasons(prepared.rejected)
        rejected_draft.counts = reasons
        data_draft.counts = {"items": len(prepared.items), "users": num_users, **prepared.counts}
        if previous is not None:
            changes = compare_items(previous, prepared.items)
            pq.write_table(changes, data_draft.folder / CHANGES_FILE, compression="zstd")
            data_draft.counts |= count_changes(changes)
        data_draft.details = {
            "data_version": data_version,
            "item_template": item_template,
            "slice_columns": list(plan.slice_columns),
            "catalogue": plan.scope.value,
            "filters": plan.filters.model_dump(mode="json"),
            "split": plan.split.model_dump(mode="json"),
            "rejected": dict(reasons),
        }
        shown = {f"rejected: {reason}": number for reason, number in reasons.items()}
        write_text(counts, json.dumps(data_draft.counts | shown, indent=2) + "\n")
    for reason, number in reasons.items():
        _tell(f"rejected {number:,} rows: {reason}")
    return list(range(num_shards))


def _tell(line: str) -> None:
    print(f"towerflow: {line}", flush=True)


def _parse(config: type[Config], **values: object) -> Config:
    try:
        return config.model_validate(values)
    except ValidationError as error:
        raise InputError.from_validation("preprocess", "a valid setting", error) from error


def _scope(catalogue: str) -> CatalogueScope:
    if catalogue not in list(CatalogueScope):
        raise InputError("catalogue", expected=" or ".join(CatalogueScope), found=catalogue)
    return CatalogueScope(catalogue)


def _share(name: str, value: float) -> float:
    if not 0 <= value <= 1:
        raise InputError(name, expected="a share from 0 to 1", found=str(value))
    return value


def _refuse_unknown(unknown_items: str) -> bool:
    if unknown_items not in ("error", "reject"):
        raise InputError("unknown_items", expected="error or reject", found=unknown_items)
    return unknown_items == "error"


def _previous_items(previous_dataset: str) -> pa.Table | None:
    if not previous_dataset:
        return None
    found = read_manifest(previous_dataset).kind
    # A release has the items that it was made of.
    kind = found if found is ArtifactKind.RELEASE else ArtifactKind.DATASET
    with local_artifact(previous_dataset, kind, [ITEMS_FILE]) as folder:
        return pq.read_table(folder / ITEMS_FILE, schema=schema.ITEMS_SCHEMA)
