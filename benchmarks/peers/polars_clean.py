"""The peer of `make bench NAME=preprocess`: the same cleaning, written for polars.

Runs in an environment of its own. Named entities are those of HTML 5; of the numbered ones those
that the generated data can have. Entities inside entities are undone three times, not until nothing
changes: polars has no loop over rows that still change.
"""

import html.entities
import sys

import polars as pl

ENTITIES = {f"&{name}": text for name, text in html.entities.html5.items()}
for code in (*range(32, 0x300), *range(0x2000, 0x2100)):
    ENTITIES |= {f"&#{code};": chr(code), f"&#x{code:x};": chr(code)}
ENTITIES = dict(sorted(ENTITIES.items(), key=lambda entry: -len(entry[0])))
INVISIBLE = (
    r"[\x{ad}\x{61c}\x{180e}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}"
    r"\x{feff}\x{fff9}-\x{fffb}\x{e0001}-\x{e007f}\p{Co}]"
)
TAG = r"(?s)<!--.*?-->|</?[a-zA-Z][^<>]*>"
LETTERS = "-0-9A-Za-z_"
URL = rf"(?i)(?-u:\b)(?:https?://|www\.)[{LETTERS}.~:/?#\[\]@!$&'()*+,;=%]*[{LETTERS}~/#&=%]"
PLACEHOLDERS = [
    "nan",
    "none",
    "null",
    "n/a",
    "na",
    "-",
    "unknown",
    "undefined",
    "[]",
    "{}",
    "无",
    "未知",
]
TEXTS = ("title", "brand", "categories", "description")


def clean_once(text: pl.Expr) -> pl.Expr:
    """One round of cleaning."""
    return (
        text.str.replace_many(list(ENTITIES), list(ENTITIES.values()), leftmost=True)
        .str.normalize("NFKC")
        .str.replace_all(INVISIBLE, "")
        .str.replace_all(TAG, " ")
        .str.replace_all(URL, " ")
        .str.replace_all(r"[\s\p{Z}\p{Cc}]+", " ")
        .str.strip_chars(" \u200c\u200d")
    )


def clean(text: pl.Expr) -> pl.Expr:
    """Cleaned text; placeholders are empty."""
    cut = text.fill_null("").str.slice(0, 100_000)
    cleaned = clean_once(clean_once(clean_once(cut))).str.slice(0, 10_000)
    nothing = cleaned.str.to_lowercase().is_in(PLACEHOLDERS)
    return pl.when(nothing).then(pl.lit("")).otherwise(cleaned)


def drop_repeated_sentences(text: pl.Expr) -> pl.Expr:
    """Of sentences that stand in a text more than once, the first."""
    pieces = text.str.replace_all(r"([.!?…]+\s+|[。！？]+\s*)", "${1}\x00").str.split("\x00")
    stripped = pl.element().str.strip_chars()
    keep = pl.element().filter(stripped.is_first_distinct() | (stripped.str.len_chars() < 8))
    return pieces.list.eval(keep).list.join("").str.strip_chars()


def fill_template() -> pl.Expr:
    """The fields that are not empty, with bars between them."""
    fields = [pl.when(pl.col(name) != "").then(pl.col(name)) for name in TEXTS]
    return pl.concat_str(fields, separator=" | ", ignore_nulls=True)


def main(source: str, target: str) -> None:
    """JSON lines in, Parquet with item_id, title and text out, in order of item_id."""
    schema = dict.fromkeys(("item_id", "title", "brand", "description"), pl.String)
    rows = pl.scan_ndjson(source, schema=schema | {"categories": pl.List(pl.String)})
    (
        rows.with_columns(pl.col("categories").list.join(" "))
        .with_columns(clean(pl.col(name)).alias(name) for name in TEXTS)
        .with_columns(drop_repeated_sentences(pl.col("description")))
        .select("item_id", "title", fill_template().alias("text"))
        .with_columns(pl.when(pl.col("title") != "").then("title").otherwise("text").alias("title"))
        .sort("item_id")
        .sink_parquet(target, compression="zstd")
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
