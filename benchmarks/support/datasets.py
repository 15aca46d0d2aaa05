"""Dataset artifacts of items alone, for what needs no interactions."""

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.support.generate import WORDS
from towerflow.interactions.dataset import ITEMS_FILE
from towerflow.schema import ITEMS_SCHEMA, TEXT_FIELDS, ArtifactKind
from towerflow.storage.artifact import new_artifact


def real_texts(items: Path) -> list[str]:
    """Title, brand, categories and description of each item of a Parquet file, if it has them."""
    rows = pq.read_table(items).to_pylist()
    return ["\n".join(str(row[name]) for name in TEXT_FIELDS if row.get(name)) for row in rows]


def made_up_texts(num_texts: int, num_words: tuple[int, int]) -> list[str]:
    """Distinct texts of so many words, between the two."""
    source = random.Random(0)  # noqa: S311 (not for secrets)
    return [
        f"{number} {' '.join(source.choices(WORDS, k=source.randint(*num_words)))}"
        for number in range(num_texts)
    ]


def write_dataset(folder: Path, texts: list[str]) -> None:
    """A Dataset whose items have these texts."""
    with new_artifact(folder, ArtifactKind.DATASET, "benchmark") as draft:
        numbers = range(len(texts))
        columns = [numbers, [f"{number:08d}" for number in numbers], texts, texts]
        table = pa.table(dict(zip(ITEMS_SCHEMA.names, columns, strict=True)))
        pq.write_table(table.cast(ITEMS_SCHEMA), draft.folder / ITEMS_FILE)
