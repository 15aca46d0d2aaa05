"""Pure functions, table in, tables out: which raw rows can be used, and why the others can't."""

import datetime
import json
import math
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from towerflow import schema
from towerflow.ingest.slices import slice_values
from towerflow.ingest.values import PROBLEM
from towerflow.text.clean import clean_text, drop_repeated_sentences
from towerflow.text.template import Segment, fill_template

MAX_ID_CHARACTERS: Final = 512
UNKNOWN_ITEM: Final = "unknown item"
ITEM_REJECTED: Final = "its item was rejected"

CHECKED_ITEMS: Final = pa.schema(
    [
        pa.field(schema.FILE, pa.string()),
        pa.field(schema.ROW, pa.int64()),
        pa.field(schema.ITEM_ID, pa.string()),
        pa.field(schema.TITLE, pa.string()),
        pa.field(schema.TEXT, pa.string()),
    ]
)
CHECKED_INTERACTIONS: Final = pa.schema(
    [
        pa.field(schema.USER_ID, pa.string()),
        pa.field(schema.ITEM_INDEX, pa.int32()),  # in the catalogue of all checked items
        pa.field(schema.TIMESTAMP, pa.float64()),
    ]
)


class Checked(NamedTuple):
    """Rows that can be used, and `REJECTED_SCHEMA` rows that can't; together all that came in."""

    accepted: pa.Table
    rejected: pa.Table


class KnownItems(NamedTuple):
    """What the items' part found: `[num_items]` ids in order, and ids that it had to reject."""

    item_ids: pa.Array
    rejected_ids: pa.Array


def check_items(table: pa.Table, segments: list[Segment]) -> Checked:
    """Clean the text fields and keep rows that have an id and some text.

    Returns:
        `CHECKED_ITEMS` with the columns of `table` that are to slice by, and what is rejected.
    """
    ids = clean_ids(table[schema.ITEM_ID])
    fields = {
        name: clean_text(table[name].combine_chunks())
        for name in dict.fromkeys([schema.TITLE, *(segment.field for segment in segments)])
    }
    if schema.DESCRIPTION in fields:
        fields[schema.DESCRIPTION] = drop_repeated_sentences(fields[schema.DESCRIPTION])
    texts = fill_template(segments, fields)
    titles = pc.if_else(pc.equal(fields[schema.TITLE], ""), texts, fields[schema.TITLE])
    failures = {**_id_failures(schema.ITEM_ID, ids), "no text": pc.equal(texts, "")}
    slices = slice_values(table)
    files = table[schema.FILE].cast(pa.string())
    cleaned = pa.table(
        [files, table[schema.ROW], ids, titles, texts, *slices.values()],
        schema=schema.with_slices(CHECKED_ITEMS, slices),
    )
    return _part(cleaned, table, _first_reason(table[PROBLEM], failures))


class CheckedInteractions(NamedTuple):
    """`CHECKED_INTERACTIONS` and columns to slice by, `REJECTED_SCHEMA`, rows rated too low."""

    accepted: pa.Table
    rejected: pa.Table
    low_rated: int


def check_interactions(
    table: pa.Table, known: KnownItems, min_rating: float | None
) -> CheckedInteractions:
    """Keep rows with a user, a known item, a time, and a rating if one is asked for."""
    users = clean_ids(table[schema.USER_ID])
    items = clean_ids(table[schema.ITEM_ID])
    times = parse_timestamps(table[schema.TIMESTAMP])
    index = pc.index_in(items, value_set=known.item_ids)
    refused = pc.is_in(items, value_set=known.rejected_ids)
    failures = {
        **_id_failures(schema.USER_ID, users),
        **_id_failures(schema.ITEM_ID, items),
        "unparsable timestamp": pc.is_null(times),
    }
    ratings = None if min_rating is None else parse_numbers(table[schema.RATING])
    if ratings is not None:
        failures["unparsable rating"] = pc.is_null(ratings)
    failures[ITEM_REJECTED] = pc.and_(pc.is_null(index), refused)
    failures[UNKNOWN_ITEM] = pc.is_null(index)
    reasons = _first_reason(table[PROBLEM], failures)
    slices = slice_values(table)
    cleaned = pa.table(
        [users, index, times, *slices.values()],
        schema=schema.with_slices(CHECKED_INTERACTIONS, slices),
    )
    checked = _part(cleaned, table, reasons)
    if ratings is None:
        return CheckedInteractions(*checked, low_rated=0)
    high = pc.greater_equal(ratings.filter(pc.is_null(reasons)), float(min_rating or 0))
    accepted = checked.accepted.filter(high)
    low_rated = len(checked.accepted) - len(accepted)
    return CheckedInteractions(accepted, checked.rejected, low_rated)


def rejected_rows(table: pa.Table, reasons: pa.Array) -> pa.Table:
    """`table` (with `file` and `row`) in the form of `REJECTED_SCHEMA`."""
    shown = [name for name in table.column_names if name not in _NOT_RAW]
    dumped = [
        json.dumps(row, ensure_ascii=False)[: schema.RAW_LIMIT]
        for row in table.select(shown).to_pylist()
    ]
    raw = pa.array(dumped, pa.string())
    if schema.RAW in table.column_names:  # the reader's own excerpt of a row it couldn't parse
        raw = pc.coalesce(table[schema.RAW].combine_chunks(), raw)
    files = table[schema.FILE].cast(pa.string())
    ids = clean_ids(table[schema.ITEM_ID])
    columns = [files, table[schema.ROW], ids, reasons, raw]
    return pa.table(columns, schema=schema.REJECTED_SCHEMA)


_NOT_RAW: Final = frozenset({schema.FILE, schema.ROW, schema.RAW, PROBLEM})


def parse_timestamps(values: pa.ChunkedArray) -> pa.Array:
    """Numbers as they are, ISO 8601 dates as Unix seconds (UTC unless they say), others null."""
    return _parse(values, _parse_timestamp)


def parse_numbers(values: pa.ChunkedArray) -> pa.Array:
    """Finite numbers, others null."""
    return _parse(values, float)


def clean_ids(values: pa.ChunkedArray) -> pa.Array:
    """Trimmed; an id of nothing but spaces is null."""
    trimmed = pc.utf8_trim_whitespace(values.combine_chunks())
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _parse(values: pa.ChunkedArray, parse: Callable[[str], float]) -> pa.Array:
    whole = values.combine_chunks()
    if not pa.types.is_floating(whole.type):
        whole = _cast(whole, parse)
    return pc.if_else(pc.is_finite(whole), whole, pa.scalar(None, pa.float64()))


def _cast(texts: pa.Array, parse: Callable[[str], float]) -> pa.Array:
    """Plain digits at once; whatever else there is, one by one."""
    plain = pc.fill_null(pc.match_substring_regex(texts, r"^-?[0-9]{1,15}$"), False)
    numbers = pc.if_else(plain, texts, pa.scalar(None, pa.string())).cast(pa.float64())
    others = texts.filter(pc.invert(plain)).to_pylist()
    parsed = pa.array([_try(parse, value) for value in others], pa.float64())
    return pc.replace_with_mask(numbers, pc.invert(plain), parsed)


def _try(parse: Callable[[str], float], value: str | None) -> float | None:
    try:
        return None if value is None else parse(value)
    except (ValueError, OverflowError):
        return None


def _parse_timestamp(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        moment = datetime.datetime.fromisoformat(value.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    seconds = moment.timestamp()
    return seconds if math.isfinite(seconds) else math.nan


def _id_failures(name: str, ids: pa.Array) -> dict[str, pa.Array]:
    too_long = pc.greater(pc.utf8_length(ids), MAX_ID_CHARACTERS)
    return {f"no {name}": pc.is_null(ids), f"over-long {name}": pc.fill_null(too_long, False)}


def _first_reason(problems: pa.ChunkedArray, failures: Mapping[str, pa.Array]) -> pa.Array:
    """Per row the reader's problem, else the first failure, else null."""
    reasons = problems.combine_chunks()
    for reason, failed in failures.items():
        if pc.any(failed).as_py():
            named = pc.if_else(failed, pa.scalar(reason), pa.scalar(None, pa.string()))
            reasons = pc.coalesce(reasons, named)
    return reasons


def _part(cleaned: pa.Table, raw: pa.Table, reasons: pa.Array) -> Checked:
    if reasons.null_count == len(reasons):
        return Checked(cleaned, schema.REJECTED_SCHEMA.empty_table())
    bad = pc.is_valid(reasons)
    return Checked(
        accepted=cleaned.filter(pc.invert(bad)),
        rejected=rejected_rows(raw.filter(bad), reasons.filter(bad)),
    )
