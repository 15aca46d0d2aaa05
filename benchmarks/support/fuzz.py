"""Reads mutated files as `preprocess` does, and checks what must hold for each."""

from pathlib import Path

import pyarrow as pa

from benchmarks.support.mutations import Mutated
from towerflow.errors import InputError
from towerflow.ingest.check import KnownItems, check_interactions
from towerflow.ingest.files import find_files, split_files
from towerflow.ingest.layout import Layout
from towerflow.ingest.read import fit_columns, read_tables
from towerflow.ingest.values import UNREADABLE

COLUMNS = ("user_id", "item_id", "timestamp")
KNOWN = KnownItems(pa.array([f"i{n}" for n in range(9)] + ["7"]), pa.array([], pa.string()))


def read_mutated(mutated: Mutated, folder: Path) -> str:
    """Say "read" or "refused"; anything else that can happen is raised.

    Raises:
        AssertionError: a good row is lost, or the counts do not balance.
    """
    path = folder / mutated.name
    path.write_bytes(mutated.content)
    try:
        files = [fit_columns(file, COLUMNS, ()) for file in find_files(str(path), [Layout()])]
        tables = [table for file in split_files(files) for table in read_tables(file, COLUMNS)]
    except InputError as error:
        sentence = str(error)
        tables = []
    else:
        sentence = ""
    if sentence:
        assert "\n" not in sentence, "not one sentence"
        assert str(path) in sentence, f"does not name the file: {sentence}"
        assert not mutated.untouched, f"refused a file with good rows: {sentence}"
        return "refused"
    users: set[str] = set()
    reasons: list[str] = []
    for table in tables:
        checked = check_interactions(table, KNOWN, None)
        users |= set(checked.accepted["user_id"].to_pylist())
        reasons += checked.rejected["reason"].to_pylist()
        assert len(checked.accepted) + len(checked.rejected) == len(table), "does not balance"
    if any(reason.startswith(UNREADABLE) for reason in reasons):
        assert not mutated.whole, f"gave up a file that could be read: {reasons[-1]}"
        return "refused"
    assert users >= mutated.untouched, f"lost {sorted(mutated.untouched - users)}"
    return "read"
