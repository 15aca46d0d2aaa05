"""Byte streams as blocks of whole lines, of a size that stays in the processor's cache."""

from collections.abc import Iterator
from typing import IO, Final

BLOCK_BYTES: Final = 4_000_000
MAX_LINE_BYTES: Final = 16_000_000
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class LinesFrom:
    """The lines of a file that begin in a range of its bytes, as a stream.

    Ranges that follow each other have every line once, wherever they are cut.
    """

    def __init__(self, stream: IO[bytes], start: int, end: int) -> None:
        self.stream, self.end = stream, end
        if start:
            stream.seek(start - 1)
            stream.readline()  # it began before, or is no more than the break before `start`
        self.position = stream.tell()

    def read(self, size: int) -> bytes:
        """At most `size` bytes, or a few more where a line goes on past the range."""
        if self.position >= self.end:
            return b""
        chunk = self.stream.read(min(size, self.end - self.position))
        self.position = self.position + len(chunk) if chunk else self.end
        if self.position >= self.end and not chunk.endswith(b"\n"):
            chunk += self.stream.readline()
        return chunk


Stream = IO[bytes] | LinesFrom


def line_blocks(stream: Stream) -> Iterator[bytes]:
    """Yield blocks of whole lines, each line with its line break.

    Of a line over MAX_LINE_BYTES only that many bytes are kept: it can only be rejected, and must
    not cost more memory than it is worth.
    """
    held = stream.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    while chunk := stream.read(BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if not cut:
            held = held + chunk if len(held) <= MAX_LINE_BYTES else held
            continue
        yield held + chunk[:cut]
        held = chunk[cut:]
    if held:
        yield held + b"\n"
