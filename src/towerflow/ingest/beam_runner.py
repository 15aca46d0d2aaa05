"""Where Beam runs, and where its workers meet: the runner, its options and a workspace."""

import contextlib
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Final
from uuid import uuid4

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import create_runner

from towerflow.errors import InputError
from towerflow.storage.filesystems import delete_folder, is_remote, read_parquet, write_parquet

DIRECT_RUNNER: Final = "DirectRunner"
DATAFLOW_RUNNER: Final = "DataflowRunner"
# Other runners may take options that only their job server knows.
OPTIONS_ARE_BEAMS: Final = (DIRECT_RUNNER, DATAFLOW_RUNNER)


class ArrowTableCoder(beam.coders.Coder):  # type: ignore[misc]
    """Tables between workers as compressed Arrow IPC: smaller and faster than pickle, and safe."""

    def encode(self, value: pa.Table) -> bytes:
        """`value` as an IPC stream."""
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(sink, value.schema, options=options) as writer:
            writer.write_table(value)
        encoded: bytes = sink.getvalue().to_pybytes()
        return encoded

    def decode(self, encoded: bytes) -> pa.Table:
        """The table of an IPC stream."""
        return pa.ipc.open_stream(encoded).read_all()

    def is_deterministic(self) -> bool:
        """Equal bytes do not follow from equal tables: chunks differ."""
        return False


beam.coders.registry.register_coder(pa.Table, ArrowTableCoder)


@dataclass(frozen=True)
class BeamRunner:
    """A Beam runner by name, with options as its own command line takes them.

    Attributes:
        name: "DirectRunner", "DataflowRunner", "FlinkRunner", "SparkRunner", …
        options: each like `project=my-project`, with or without leading dashes.
    """

    name: str = DIRECT_RUNNER
    options: tuple[str, ...] = ()

    def pipeline_options(self) -> PipelineOptions:
        """For `beam.Pipeline`.

        Raises:
            InputError: Beam knows no such runner, or it lacks an option.
        """
        try:
            create_runner(self.name)
        except (ValueError, ImportError, AttributeError) as error:
            raise InputError(
                "beam_runner",
                expected="DirectRunner, DataflowRunner, FlinkRunner or SparkRunner",
                found=f"'{self.name}'",
            ) from error
        flags = [f"--{option.lstrip('-')}" for option in self.options]
        options = PipelineOptions([f"--runner={self.name}", *flags])
        settings = _parse(options)
        unknown = settings.keys() - _parse(PipelineOptions([])).keys()
        if unknown and self.name in OPTIONS_ARE_BEAMS:
            raise InputError(
                "beam_options", expected=f"options of {self.name}", found=", ".join(sorted(unknown))
            )
        if self.name == DATAFLOW_RUNNER:
            for option in ("project", "region", "temp_location"):
                if not settings.get(option):
                    self._refuse_without(option)
        return options

    def use(self) -> None:
        """Check the options before any work is done.

        Raises:
            InputError: as `pipeline_options`.
        """
        self.pipeline_options()

    @contextmanager
    def workspace(self) -> Iterator[str]:
        """A folder that all workers can read and write, gone afterwards.

        Below the option `temp_location`, else a local temporary folder.
        """
        root = _parse(self.pipeline_options()).get("temp_location")
        if self.name != DIRECT_RUNNER and not root:
            self._refuse_without("temp_location")
        if not root or not is_remote(root):
            with tempfile.TemporaryDirectory(dir=root or None) as folder:
                yield folder
            return
        folder = f"{root.rstrip('/')}/towerflow-{uuid4().hex}"
        try:
            yield folder
        finally:
            delete_folder(folder)

    def _refuse_without(self, option: str) -> None:
        raise InputError(
            "beam_runner",
            field=self.name,
            expected=f"a beam option {option}=…",
            found=f"options {', '.join(self.options) or 'none'}",
        )

    @contextmanager
    def pipeline(self) -> Iterator[beam.Pipeline]:
        """A pipeline that runs when the block ends."""
        with beam.Pipeline(options=self.pipeline_options()) as pipeline:
            yield pipeline


def over_shards(
    runner: BeamRunner,
    shards: Sequence[str],
    function: Callable[[str], pa.Table],
    combine: Callable[[pa.Table, pa.Table], pa.Table],
    result: str,
) -> pa.Table:
    """Apply `function` to every shard's path on the workers and fold what it returns.

    Args:
        runner: where.
        shards: paths of at least one shard.
        function: reads a shard, may write another, returns a small table.
        combine: of two such tables; associative and commutative.
        result: path in the workspace that the folded table travels by.
    """
    with runner.pipeline() as pipeline:
        (
            pipeline
            | "Name the shards" >> beam.Create(list(shards))
            | "Spread them over workers" >> beam.Reshuffle()
            | "Work on each" >> beam.Map(function).with_output_types(pa.Table)
            | "Bring them together" >> beam.combiners.ToList()
            | "Fold" >> beam.Map(partial(_fold, combine=combine)).with_output_types(pa.Table)
            | "Hand over" >> beam.Map(partial(_write, path=result))
        )
    return read_parquet(result)


def _parse(options: PipelineOptions) -> dict[str, Any]:
    """All settings by name; Beam's parser would end the process on a value that it can't read."""
    with contextlib.redirect_stderr(io.StringIO()) as told:
        try:
            settings: dict[str, Any] = options.get_all_options(retain_unknown_options=True)
        except SystemExit as error:
            complaint = told.getvalue().strip().splitlines()[-1].partition("error: ")[2]
            raise InputError(
                "beam_options", expected="options that Beam can read", found=complaint
            ) from error
    return settings


def join(folder: str, *names: str) -> str:
    """A path in the workspace, wherever that is."""
    return "/".join((folder.rstrip("/"), *names))


def _fold(tables: list[pa.Table], combine: Callable[[pa.Table, pa.Table], pa.Table]) -> pa.Table:
    return reduce(combine, tables)


def _write(table: pa.Table, path: str) -> None:
    write_parquet(path, table)
