"""What is new, changed and gone."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from towerflow import schema
from towerflow.interactions.changes import compare_items, count_changes

catalogues = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(["x", "y"]))


def items(texts: dict[str, str]) -> pa.Table:
    """A catalogue of these ids and texts."""
    ids = sorted(texts)
    columns = [list(range(len(ids))), ids, ids, [texts[name] for name in ids]]
    return pa.table(columns, schema=schema.ITEMS_SCHEMA)


@given(catalogues, catalogues)
def test_changes_are_the_difference(before: dict[str, str], after: dict[str, str]) -> None:
    expected = dict.fromkeys(after.keys() - before.keys(), "new")
    expected |= dict.fromkeys(before.keys() - after.keys(), "gone")
    expected |= {
        name: "changed" for name in before.keys() & after.keys() if before[name] != after[name]
    }
    found = compare_items(items(before), items(after))
    assert [tuple(row.values()) for row in found.to_pylist()] == sorted(expected.items())
    assert count_changes(found) == {
        f"items_{change}": list(expected.values()).count(change)
        for change in ("new", "changed", "gone")
    }
