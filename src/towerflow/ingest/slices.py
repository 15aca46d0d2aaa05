"""Columns that are carried through to the Dataset, so that metrics can be shown by their values.

While data is read they are columns like any other, called `slice:<name>`, so that none can be taken
for ours.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from towerflow.errors import InputError
from towerflow.ingest.files import RawFile
from towerflow.ingest.read import has_source
from towerflow.schema import CATEGORIES, SLICE_LIMIT, SLICE_PREFIX, slices_of

_MISSING: Final = pa.array(["", "nan"])  # a float that is none comes as its text


def parse_slice_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Trimmed.

    >>> parse_slice_columns(["country", " details.Brand "])
    ('country', 'details.Brand')

    Raises:
        InputError: a name is empty or given twice.
    """
    trimmed = tuple(name.strip() for name in names)
    for name in trimmed:
        if not name:
            raise InputError("slice_column", expected="the name of a column", found="''")
        if trimmed.count(name) > 1:
            raise InputError("slice_column", field=name, expected="each name once", found="two")
    return trimmed


def fit_slices(
    files: Sequence[RawFile], names: Sequence[str]
) -> tuple[list[RawFile], tuple[str, ...]]:
    """Which of `names` the files of a source have, and from where each file is to read them.

    A name that is mapped, by the user or a preset, means what it is mapped to; in a file that lacks
    this, as in every other case, the file's own column.

    Args:
        files: with headers, as `fit_columns` gives them.
        names: of `parse_slice_columns`.

    Returns:
        The files, with `slice:<name>` in their layouts, and these columns. A file that lacks one
        that another has reads null there.
    """
    found = [name for name in names if any(_has(file, name) for file in files)]
    fitted = []
    for file in files:
        sources = {SLICE_PREFIX + name: _sources(file, name) for name in found}
        layout = replace(file.layout, columns={**file.layout.columns, **sources})
        fitted.append(replace(file, layout=layout))
    return fitted, tuple(SLICE_PREFIX + name for name in found)


def slice_values(table: pa.Table) -> dict[str, pa.Array]:
    """The carried columns of a table that was read: trimmed, cut to SLICE_LIMIT, "" and NaN null.

    Otherwise as in the file: a country code "NA" is no placeholder here.
    """
    return {name: _clean(table[name].combine_chunks()) for name in slices_of(table.column_names)}


def _clean(values: pa.Array) -> pa.Array:
    cut = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(values), 0, SLICE_LIMIT)
    trimmed = pc.utf8_rtrim_whitespace(cut)
    missing = pc.is_in(trimmed, value_set=_MISSING)
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def _sources(file: RawFile, name: str) -> tuple[str, ...]:
    mapped = file.layout.sources(name)
    own = name in file.header and not any(has_source(file, source) for source in mapped)
    return (name,) if own else mapped


def _has(file: RawFile, name: str) -> bool:
    flagged = name == CATEGORIES and bool(file.layout.flags)
    return flagged or any(has_source(file, source) for source in _sources(file, name))
