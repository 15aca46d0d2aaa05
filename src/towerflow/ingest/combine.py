"""Several domains as one source, to pre-train on: ids are told apart by the domain's name.

A user of two domains becomes two users, as in LEARN's pre-training data.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from towerflow.errors import InputError
from towerflow.ingest.files import find_files, split_files
from towerflow.ingest.layout import EVENT_COLUMNS, Layout
from towerflow.ingest.read import fit_columns, read_tables
from towerflow.schema import ITEM_ID, ROW, TEXT_FIELDS, TIMESTAMP, USER_ID
from towerflow.storage.files import new_folder

ITEM_COLUMNS: Final = (ITEM_ID, *TEXT_FIELDS)
REQUIRED: Final = {ITEM_COLUMNS: (ITEM_ID,), EVENT_COLUMNS: (USER_ID, ITEM_ID, TIMESTAMP)}
OUTPUTS: Final = {"items": ITEM_COLUMNS, "interactions": EVENT_COLUMNS}
_DOMAIN: Final = re.compile(r"[\w-]+")


def combine(domains: Mapping[str, str], output: Path) -> dict[str, int]:
    """Write `items.parquet` and `interactions.parquet` of all `domains` into the folder `output`.

    Args:
        domains: by name, a local or `gs://` folder with files `items.*` and `interactions.*`, in
            any format and with the column names that preprocess takes.
        output: a folder that does not exist yet.

    Returns:
        Rows by name of the file.

    Raises:
        InputError: a name or a folder that can't be one, a missing column, an unreadable row.
    """
    for name in domains:
        if not _DOMAIN.fullmatch(name):
            raise InputError("domain", expected="letters, digits, - and _", found=f"'{name}'")
    if output.exists():
        raise InputError(output, expected="a folder that does not exist yet", found="one that does")
    rows = {}
    with new_folder(output) as folder:
        for name, columns in OUTPUTS.items():
            schema = pa.schema([pa.field(column, pa.string()) for column in columns])
            with pq.ParquetWriter(folder / f"{name}.parquet", schema, compression="zstd") as writer:
                rows[name] = 0
                for domain, source in domains.items():
                    for table in _tables(source, name, columns):
                        writer.write_table(_of_domain(table, domain, columns))
                        rows[name] += len(table)
    return rows


def _tables(source: str, name: str, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    files = find_files(f"{source.rstrip('/')}/{name}.*", [Layout()])
    for file in split_files([fit_columns(file, REQUIRED[columns], ()) for file in files]):
        for table in read_tables(file, columns):
            broken = table.filter(pc.is_valid(table["problem"]))
            if len(broken):
                found = f"{broken['problem'][0]} in row {broken[ROW][0]}"
                raise InputError(file.path, expected="rows that can be read", found=found)
            yield table


def _of_domain(table: pa.Table, domain: str, columns: tuple[str, ...]) -> pa.Table:
    values = []
    for column in columns:
        texts = table[column].cast(pa.string())
        if column in (USER_ID, ITEM_ID):
            texts = pc.binary_join_element_wise(f"{domain}:", texts, "")
        values.append(texts)
    return pa.table(values, names=list(columns))
