"""Items as `preprocess` reads and cleans them: JSON lines in, Parquet out."""

import sys
import tempfile

import pyarrow.parquet as pq

from towerflow import schema
from towerflow.ingest.beam_runner import BeamRunner
from towerflow.ingest.files import find_files
from towerflow.ingest.layout import Layout
from towerflow.ingest.pipeline import ingest_items
from towerflow.interactions.assemble import unique_items
from towerflow.text.template import parse_template

COLUMNS = (schema.ITEM_ID, *schema.TEXT_FIELDS)


def main(source: str, target: str, *beam_options: str) -> None:
    """The step's own functions, up to where interactions would begin."""
    with tempfile.TemporaryDirectory() as workspace:
        runner = BeamRunner(options=beam_options)
        files = find_files(source, [Layout()])
        accepted, _ = ingest_items(runner, files, COLUMNS, parse_template("plain"), workspace)
    items = unique_items(accepted).accepted
    columns = [schema.ITEM_ID, schema.TITLE, schema.TEXT]
    pq.write_table(items.select(columns), target, compression="zstd")


if __name__ == "__main__":
    main(*sys.argv[1:])
