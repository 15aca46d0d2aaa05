"""Find the raw files of a source and check, before any work, that they can be what they say."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from towerflow.errors import InputError
from towerflow.ingest.layout import Layout
from towerflow.ingest.lines import LinesFrom, Stream
from towerflow.storage.filesystems import FoundFile, match_files, name_matches, open_binary

PARQUET_MAGIC: Final = b"PAR1"
COMPRESSIONS: Final = {".gz": ("gzip", b"\x1f\x8b"), ".zst": ("zstd", b"\x28\xb5\x2f\xfd")}
UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
FORMATS: Final = {
    ".parquet": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "delimited",
}
ENDINGS: Final = "a file ending in .parquet, .jsonl, .json, .csv or .tsv, perhaps with .gz or .zst"
PIECE_BYTES: Final = 32_000_000  # of a file that one worker reads


@dataclass(frozen=True)
class RawFile:
    """One file of a source, or a piece of one.

    Attributes:
        path: where it lies.
        format: "parquet", "jsonl", "python", "csv" or "delimited".
        compression: "", "gzip" or "zstd", of the file as a whole.
        layout: what its ending does not tell.
        size: of the file, in bytes.
        row_groups: first and past the last row group of a Parquet file.
        lines_from: first and past the last byte of which the lines are read; None: all.
        header: names of the columns that the file has; none before they were looked up.
    """

    path: str
    format: str
    compression: str
    layout: Layout
    size: int = 0
    row_groups: tuple[int, int] = (0, 0)
    lines_from: tuple[int, int] | None = None
    header: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of the file, or of the piece: rows are counted by that."""
        start = self.lines_from[0] if self.lines_from else self.row_groups[0]
        return f"{self.path}#{start}" if start else self.path

    @contextmanager
    def open_parquet(self) -> Iterator[pq.ParquetFile]:
        """Open a Parquet file; one that is compressed as a whole has to be in memory for that."""
        with open_binary(self.path) as file:
            source = pa.BufferReader(self._unpack(file).read()) if self.compression else file
            yield pq.ParquetFile(source, page_checksum_verification=True)

    @contextmanager
    def open(self) -> Iterator[Stream]:
        """Open for reading, decompressed."""
        with open_binary(self.path) as file:
            if self.compression:
                yield self._unpack(file)
            elif self.lines_from:
                yield LinesFrom(file, *self.lines_from)
            else:
                yield file

    def _unpack(self, file: IO[bytes]) -> IO[bytes]:
        raw = pa.PythonFile(file, mode="r")
        return cast(IO[bytes], pa.CompressedInputStream(raw, self.compression))


def find_files(source: str, layouts: Sequence[Layout]) -> list[RawFile]:
    """The files of `source`, a file, a folder or a glob, in order of their names.

    Raises:
        InputError: there is none, one has an unknown ending, or is not what its ending says.
    """
    found = match_files(source)
    if not found:
        raise InputError(source, expected="a file, a folder or a glob", found="nothing there")
    files = []
    for file in found:
        layout = next((one for one in layouts if name_matches(file.name, one.files)), None)
        if layout is None and len(found) == 1:  # named by the user: then the name is no matter
            layout = layouts[0]
        if layout is not None:
            files.append(_recognise(file, layout))
    if not files:
        wanted = ", ".join(name for layout in layouts for name in layout.files)
        raise InputError(source, expected=f"files called {wanted}", found=found[0].name)
    return files


def split_files(files: Sequence[RawFile]) -> list[RawFile]:
    """Large files in pieces, so that several workers can read one.

    Parquet is cut between row groups, lines anywhere; CSV is not, since a quoted field may go on
    over lines, and what is compressed as a whole can't be.
    """
    pieces: list[RawFile] = []
    for file in files:
        if file.format == "parquet":
            pieces.extend(_row_groups(file))
        elif _has_lines(file) and file.size > PIECE_BYTES:
            starts = range(0, file.size, PIECE_BYTES)
            pieces.extend(replace(file, lines_from=(at, at + PIECE_BYTES)) for at in starts)
        else:
            pieces.append(file)
    return pieces


def _has_lines(file: RawFile) -> bool:
    headless = file.format in ("jsonl", "python") or bool(file.layout.header)
    return headless and file.format != "csv" and not file.compression


def _row_groups(file: RawFile) -> Iterator[RawFile]:
    with file.open_parquet() as parquet:
        metadata = parquet.metadata
    start, size = 0, 0
    for group in range(metadata.num_row_groups):
        size += metadata.row_group(group).total_byte_size
        if size >= PIECE_BYTES or group == metadata.num_row_groups - 1:
            yield replace(file, row_groups=(start, group + 1))
            start, size = group + 1, 0


def _recognise(file: FoundFile, layout: Layout) -> RawFile:
    ending = next((ending for ending in COMPRESSIONS if file.path.endswith(ending)), "")
    compression, magic = COMPRESSIONS.get(ending, ("", b""))
    stem = file.name.removesuffix(ending)
    format_ = layout.format or FORMATS.get(stem[stem.rfind(".") :].lower(), "")
    if not format_:
        raise InputError(file.path, expected=ENDINGS, found=f"'{file.name}'")
    with open_binary(file.path) as opened:
        start = opened.read(4)
    if not start:
        raise InputError(file.path, expected="rows", found="an empty file")
    if start.startswith(UTF_16_MARKS):
        raise InputError(file.path, expected="UTF-8 text", found="a file in UTF-16")
    if not compression and (format_ == "parquet") != (start == PARQUET_MAGIC):
        raise InputError(
            file.path,
            expected=f"{format_} as its ending says",
            found=f"a file that starts with {start!r}",
        )
    packed = any(start.startswith(mark) for _, mark in COMPRESSIONS.values())
    if packed != bool(compression) or not start.startswith(magic):
        raise InputError(
            file.path,
            expected=f"{compression} as its ending says" if compression else "text",
            found=f"a file that starts with {start!r}",
        )
    return RawFile(file.path, format_, compression, layout, size=file.bytes)
