"""Good files of interactions with one thing wrong in them, for the fuzz test and its benchmark."""

import gzip
import io
import json
import random
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

NUM_ROWS = 40
FORMATS = ("csv", "tsv", "jsonl", "parquet", "csv.gz", "jsonl.gz", "jsonl.zst")
PIECES = (
    *(
        b"\x00",
        b"\xff\xfe",
        b"\xc3",
        b'"',
        b'""',
        b"\\",
        b"\n",
        b"\r",
        b",",
        b"\t",
        b"{",
        b"}",
        b"[",
    ),
    *(
        b"null",
        b"NaN",
        b"1e999",
        b"-",
        b"\xef\xbb\xbf",
        b"\\ud800",
        b"&#0;",
        "Käse".encode("latin-1"),
    ),
)


@dataclass(frozen=True)
class Mutated:
    """A file and what must be found in it.

    Attributes:
        name: with the ending of its format.
        content: with at most one place changed.
        untouched: user ids of the rows on lines that the change left as they were.
        whole: whether the file as such can still be read; else it may be refused as a whole.
    """

    name: str
    content: bytes
    untouched: frozenset[str]
    whole: bool


def mutate(seed: int) -> Mutated:
    """The file of that number."""
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    format_ = rng.choice(FORMATS)
    stem = format_.split(".")[0]
    if stem == "parquet":
        content = _damage(_parquet(rng), rng)
        return Mutated("log.parquet", content, frozenset(), whole=False)
    lines = _lines(stem, rng)
    place = rng.randrange(1, len(lines))  # the header is not touched
    changed = _change(lines, place, rng)
    untouched = frozenset(f"u{number}" for number in range(NUM_ROWS) if number + 1 not in changed)
    content = b"".join(lines)
    packers = {"gz": gzip.compress, "zst": zstandard.compress}
    if packer := packers.get(format_.partition(".")[2]):
        content = packer(content)
        if rng.random() < 0.5:
            return Mutated(f"log.{format_}", _damage(content, rng), frozenset(), whole=False)
    return Mutated(f"log.{format_}", content, untouched, whole=True)


def _lines(format_: str, rng: random.Random) -> list[bytes]:
    """A header (empty in JSON Lines) and a row on each line; quoted fields may go on over lines."""
    rows = [[f"u{n}", f"i{rng.randrange(9)}", str(1000 + n)] for n in range(NUM_ROWS)]
    if format_ == "jsonl":
        keys = ("user_id", "item_id", "timestamp")
        dumped = [json.dumps(dict(zip(keys, row, strict=True))).encode() for row in rows]
        return [b"", *(line + b"\n" for line in dumped)]
    delimiter = {"csv": ",", "tsv": "\t"}[format_]
    for row in rows:
        note = rng.choice(["plain", "a, b", 'say "x"', "two\nlines", ""])
        row.append(note if format_ == "csv" else "plain")
    texts = [delimiter.join(_quoted(field, format_) for field in row) for row in rows]
    return [
        line.encode() + b"\n"
        for line in [delimiter.join(("user_id", "item_id", "timestamp", "note")), *texts]
    ]


def _quoted(field: str, format_: str) -> str:
    plain = format_ != "csv" or not set(field) & set(',"\n')
    return field if plain else '"' + field.replace('"', '""') + '"'


def _change(lines: list[bytes], place: int, rng: random.Random) -> set[int]:
    """Change the line at `place`; return the numbers of the lines that are not what they were."""
    line = lines[place]
    at = rng.randrange(len(line))
    match rng.randrange(6):
        case 0:  # something odd in between
            lines[place] = line[:at] + rng.choice(PIECES) + line[at:]
        case 1:  # some bytes are gone, perhaps the line break
            lines[place] = line[:at] + line[at + rng.randint(1, 9) :]
        case 2:  # another byte
            lines[place] = line[:at] + bytes([rng.randrange(256)]) + line[at + 1 :]
        case 3:  # the file ends here
            lines[place:] = [line[:at]]
            return set(range(place, NUM_ROWS + 1))
        case 4:  # a line that is very long
            lines.insert(place, b"x" * rng.choice([1000, 200_000]) + b"\n")
            return set()
        case _:  # another type, or too few fields
            lines[place] = rng.choice([b"{}\n", b"[1]\n", b"12\n", b"u,i\n", b'"\n', b"\n"])
    return {place} if lines[place].endswith(b"\n") else {place, place + 1}


def _parquet(rng: random.Random) -> bytes:
    users = [f"u{n}" for n in range(NUM_ROWS)]
    items = rng.choice([["i1"] * NUM_ROWS, [7] * NUM_ROWS, [["i1", None]] * NUM_ROWS])
    sink = io.BytesIO()
    table = pa.table({"user_id": users, "item_id": items, "timestamp": list(range(NUM_ROWS))})
    pq.write_table(table, sink, row_group_size=16, write_page_checksum=True)
    return sink.getvalue()


def _damage(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    if rng.random() < 0.5:
        return content[:at]
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
