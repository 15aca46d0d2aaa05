"""A stream over ranges: the same bytes as a file, few requests, checked at the end."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.errors import StorageError
from towerflow.storage.checksums import CRC32C, Checksum, Content
from towerflow.storage.object_requests import ObjectInfo
from towerflow.storage.remote_file import open_remote

MIB = 2**20


class Ranges:
    """An object in memory that counts what is asked of it."""

    def __init__(self, content: bytes, checksum: Checksum | None = None) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []
        right = Content(io.BytesIO(content)).checksum(CRC32C)
        self.info = ObjectInfo("gs://b/x", len(content), "1", checksum or right, "")

    def fetch(self, start: int, end: int) -> bytes:
        self.asked.append((start, end))
        return self.content[start:end]


@given(
    st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(-1, 700_000)), max_size=8),
)
def test_it_reads_like_a_file(reads: list[tuple[int, int]]) -> None:
    content = random.Random(0).randbytes(2_500_000)
    with open_remote((ranges := Ranges(content)).info, ranges.fetch) as file:
        expected = io.BytesIO(content)
        for start, count in reads:
            assert file.seek(start) == expected.seek(start)
            assert file.read(count) == expected.read(count)
            assert file.tell() == expected.tell()


def test_in_order_it_reads_ever_further_ahead() -> None:
    ranges = Ranges(bytes(40 * MIB))
    with open_remote(ranges.info, ranges.fetch) as file:
        while file.read(100_000):
            pass
    sizes = [end - start for start, end in ranges.asked]
    assert sum(sizes) == 40 * MIB, "nothing twice"
    assert sizes[:-1] == [min(MIB // 4 * 2**n, 8 * MIB) for n in range(len(sizes) - 1)]


def test_a_jump_fetches_no_more_than_it_has_to() -> None:
    ranges = Ranges(bytes(40 * MIB))
    with open_remote(ranges.info, ranges.fetch) as file:
        file.seek(-8, io.SEEK_END)
        file.read(8)
        file.seek(10 * MIB)
        file.read(2 * MIB)
    (footer_start, footer_end), *column = ranges.asked
    assert (footer_start, footer_end) == (40 * MIB - 8, 40 * MIB)
    assert sum(end - start for start, end in column) <= 2 * MIB + MIB // 4


@pytest.mark.parametrize("count", [-1, 1000, 300_000])
def test_a_damaged_object_is_not_read_to_its_end(count: int) -> None:
    ranges = Ranges(bytes(600_000), Checksum(CRC32C, "AAAAAA=="))
    with open_remote(ranges.info, ranges.fetch) as file:
        given = 0
        with pytest.raises(StorageError, match=r"gs://b/x: .* its crc32c is not what the store"):
            while part := file.read(count):
                given += len(part)
    assert given < 600_000


def test_what_is_read_in_parts_is_not_compared() -> None:
    ranges = Ranges(bytes(600_000), Checksum(CRC32C, "AAAAAA=="))
    with open_remote(ranges.info, ranges.fetch) as file:
        file.seek(10)
        assert len(file.read()) == 600_000 - 10
