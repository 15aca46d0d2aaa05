"""The mapping of columns."""

import pytest

from towerflow.errors import InputError
from towerflow.ingest.layout import Layout, parse_columns


def test_a_column_is_its_own_source_unless_it_is_mapped() -> None:
    layout = Layout(parse_columns(["item_id=asin", " text = a + b.c "]))
    assert layout.sources("item_id") == ("asin",)
    assert layout.sources("text") == ("a", "b.c")
    assert layout.sources("title") == ("title",)


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["asin"], "found 'asin'"),
        (["item_id="], "found 'item_id='"),
        (["=asin"], "found '=asin'"),
        (["title=a+"], "found 'title=a+'"),
        (["title=a", "title=b"], "column: title: expected one mapping, found two"),
        (["row=a"], "another name than our own, found 'row'"),
    ],
)
def test_a_mapping_that_is_none_is_refused(columns: list[str], found: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_columns(columns)
    assert found in str(caught.value)
