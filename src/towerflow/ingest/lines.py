"""Byte streams as blocks of whole lines, of a size that stays in the processor's cache."""

from collections.abc import Iterator
from typing import IO, Final

BLOCK_BYTES: Final = 4_000_000
MAX_LINE_BYTES: Final = 16_000_000
BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def line_blocks(stream: IO[bytes]) -> Iterator[bytes]:
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
