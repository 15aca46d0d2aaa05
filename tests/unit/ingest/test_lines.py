"""Blocks hold every line, whole."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.ingest import lines
from towerflow.ingest.lines import LinesFrom, line_blocks

texts = st.lists(st.binary(max_size=9).map(lambda line: line.replace(b"\n", b"")))


@given(texts, st.integers(1, 12))
def test_blocks_are_the_lines_in_order(rows: list[bytes], size: int) -> None:
    content = b"\n".join(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_BYTES", size)
        blocks = list(line_blocks(io.BytesIO(content)))
    assert all(block.endswith(b"\n") for block in blocks)
    whole = content.removeprefix(lines.BYTE_ORDER_MARK)
    assert b"".join(blocks) == whole + (b"" if whole.endswith(b"\n") or not whole else b"\n")


@given(texts, st.integers(1, 9), st.integers(1, 5))
def test_ranges_behind_each_other_have_every_line_once(
    rows: list[bytes], length: int, size: int
) -> None:
    content = b"\n".join(rows)
    found = []
    for start in range(0, len(content), length):
        stream = LinesFrom(io.BytesIO(content), start, start + length)
        found.append(b"".join(iter(lambda stream=stream: stream.read(size), b"")))
    assert b"".join(found) == content
    assert all(part.endswith(b"\n") for part in list(filter(None, found))[:-1])


def test_a_line_without_end_costs_little_and_the_next_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 10)
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 30)
    content = b"a\n" + b"x" * 1000 + b"\nb\n"
    together = b"".join(line_blocks(io.BytesIO(content))).split(b"\n")
    assert (together[0], together[2]) == (b"a", b"b")
    assert 30 < len(together[1]) < 60
