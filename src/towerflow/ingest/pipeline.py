"""The Beam pipeline around reading and checking: files in, Parquet out.

Elements are Arrow tables, not rows: row-at-a-time Beam costs several times the work itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from towerflow.ingest.check import Checked, Source
from towerflow.ingest.files import RawFile
from towerflow.ingest.read import read_tables
from towerflow.schema import FILE, REJECTED_SCHEMA, ROW

REJECTED: Final = "rejected"
ACCEPTED: Final = "accepted"


class CheckTables(beam.DoFn):  # type: ignore[misc]
    """Apply the source's check to each table; rejected rows go to a side output."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def process(self, element: pa.Table) -> Iterator[pa.Table]:
        """Yield accepted rows, and rejected ones tagged so."""
        checked = self.source.check(element)
        yield checked.accepted
        yield beam.pvalue.TaggedOutput(REJECTED, checked.rejected)


def read_and_check(files: list[RawFile], source: Source, workspace: Path) -> Checked:
    """Read every row of `files`, check it, and return all rows in order of file and row.

    Args:
        files: what to read.
        source: which columns, and the check; columns that a file lacks are null.
        workspace: an existing folder for Beam's output files.
    """
    with beam.Pipeline(options=PipelineOptions([])) as pipeline:
        checked = (
            pipeline
            | "List the files" >> beam.Create(files)
            | "Spread them over workers" >> beam.Reshuffle()
            | "Read Arrow tables" >> beam.FlatMap(read_tables, columns=source.columns)
            | "Check and clean rows"
            >> beam.ParDo(CheckTables(source)).with_outputs(REJECTED, main=ACCEPTED)
        )
        for name, table_schema in ((ACCEPTED, source.accepted), (REJECTED, REJECTED_SCHEMA)):
            checked[name] | f"Write {name} rows" >> beam.io.WriteToParquetBatched(
                str(workspace / name), table_schema, file_name_suffix=".parquet"
            )
    return Checked(
        _read_parts(workspace, ACCEPTED, source.accepted),
        _read_parts(workspace, REJECTED, REJECTED_SCHEMA),
    )


def _read_parts(workspace: Path, name: str, schema: pa.Schema) -> pa.Table:
    """Beam promises no order among its files, so it is restored."""
    parts = [pq.read_table(path, schema=schema) for path in sorted(workspace.glob(f"{name}-*"))]
    return pa.concat_tables(parts).sort_by([(FILE, "ascending"), (ROW, "ascending")])
