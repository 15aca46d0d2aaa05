"""Pure functions, table in, tables out: which raw rows can be used, and why the others can't."""

import datetime
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from towerflow import schema
from towerflow.ingest.read import PROBLEM
from towerflow.text.clean import clean_text
from towerflow.text.template import fill_template

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
        pa.field(schema.FILE, pa.string()),
        pa.field(schema.ROW, pa.int64()),
        pa.field(schema.USER_ID, pa.string()),
        pa.field(schema.ITEM_ID, pa.string()),
        pa.field(schema.TIMESTAMP, pa.float64()),
    ]
)


class Checked(NamedTuple):
    """Rows that can be used, and `REJECTED_SCHEMA` rows that can't; together all that came in."""

    accepted: pa.Table
    rejected: pa.Table


def check_items(table: pa.Table) -> Checked:
    """Clean the text fields and keep rows that have an id and some text (`CHECKED_ITEMS`)."""
    ids = _clean_ids(table[schema.ITEM_ID])
    fields = [
        {name: clean_text(row[name] or "") for name in schema.TEXT_FIELDS}
        for row in table.select(list(schema.TEXT_FIELDS)).to_pylist()
    ]
    texts = pa.array([fill_template(row) for row in fields], pa.string())
    titles = pa.array(
        [row[schema.TITLE] or text for row, text in zip(fields, texts.to_pylist(), strict=True)],
        pa.string(),
    )
    reasons = _first_reason(
        table[PROBLEM], {"no item_id": pc.is_null(ids), "no text": pc.equal(texts, "")}
    )
    cleaned = pa.table(
        [table[schema.FILE], table[schema.ROW], ids, titles, texts], schema=CHECKED_ITEMS
    )
    return _part(cleaned, table, reasons)


def check_interactions(table: pa.Table) -> Checked:
    """Keep rows with a user, an item and a time (`CHECKED_INTERACTIONS`)."""
    users = _clean_ids(table[schema.USER_ID])
    items = _clean_ids(table[schema.ITEM_ID])
    times = parse_timestamps(table[schema.TIMESTAMP])
    reasons = _first_reason(
        table[PROBLEM],
        {
            "no user_id": pc.is_null(users),
            "no item_id": pc.is_null(items),
            "unparsable timestamp": pc.is_null(times),
        },
    )
    cleaned = pa.table(
        [table[schema.FILE], table[schema.ROW], users, items, times], schema=CHECKED_INTERACTIONS
    )
    return _part(cleaned, table, reasons)


def reject(table: pa.Table, reason: str) -> pa.Table:
    """All rows of a checked `table` as rejected ones, for reasons that only show later."""
    return rejected_rows(table, pa.array([reason] * len(table), pa.string()))


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
    ids = _clean_ids(table[schema.ITEM_ID])
    columns = [table[schema.FILE], table[schema.ROW], ids, reasons, raw]
    return pa.table(columns, schema=schema.REJECTED_SCHEMA)


_NOT_RAW = frozenset({schema.FILE, schema.ROW, schema.RAW, PROBLEM})


@dataclass(frozen=True)
class Source:
    """What a kind of raw data must have, and the check that its rows go through.

    Attributes:
        required: columns that every file must have.
        any_of: columns of which every file must have at least one; none if empty.
        check: table with all these columns in, tables out.
        accepted: schema of the rows that `check` accepts.
    """

    required: tuple[str, ...]
    any_of: tuple[str, ...]
    check: Callable[[pa.Table], Checked]
    accepted: pa.Schema

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        return (*self.required, *self.any_of)


ITEMS: Final = Source((schema.ITEM_ID,), schema.TEXT_FIELDS, check_items, CHECKED_ITEMS)
INTERACTIONS: Final = Source(
    (schema.USER_ID, schema.ITEM_ID, schema.TIMESTAMP), (), check_interactions, CHECKED_INTERACTIONS
)


def parse_timestamps(values: pa.ChunkedArray) -> pa.Array:
    """Numbers as they are, ISO 8601 dates as Unix seconds (UTC unless they say), others null."""
    if pa.types.is_floating(values.type):
        parsed = values.combine_chunks()
    else:
        parsed = pa.array([_parse_timestamp(value) for value in values.to_pylist()], pa.float64())
    return pc.if_else(pc.is_finite(parsed), parsed, pa.scalar(None, pa.float64()))


def _parse_timestamp(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = datetime.datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    seconds = moment.timestamp()
    return seconds if math.isfinite(seconds) else None


def _clean_ids(values: pa.ChunkedArray) -> pa.Array:
    """Trimmed; an id of nothing but spaces is null."""
    trimmed = pc.utf8_trim_whitespace(values.combine_chunks())
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _first_reason(problems: pa.ChunkedArray, failures: dict[str, pa.Array]) -> pa.Array:
    """Per row the reader's problem, else the first failure, else null."""
    reasons = problems.combine_chunks()
    for reason, failed in failures.items():
        named = pc.if_else(failed, pa.scalar(reason), pa.scalar(None, pa.string()))
        reasons = pc.coalesce(reasons, named)
    return reasons


def _part(cleaned: pa.Table, raw: pa.Table, reasons: pa.Array) -> Checked:
    bad = pc.is_valid(reasons)
    return Checked(
        accepted=cleaned.filter(pc.invert(bad)),
        rejected=rejected_rows(raw.filter(bad), reasons.filter(bad)),
    )
