"""Runners by name, options as Beam takes them, and tables between workers."""

from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from towerflow.errors import InputError
from towerflow.ingest.beam_runner import ArrowTableCoder, BeamRunner, join, over_shards
from towerflow.storage.filesystems import read_parquet, write_parquet

PROJECT = ("project=p", "region=europe-west4", "temp_location=gs://b/tmp")


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.floats(allow_nan=False))))
def test_a_table_travels_unchanged(rows: list[tuple[str | None, float | None]]) -> None:
    texts, numbers = [row[0] for row in rows], [row[1] for row in rows]
    table = pa.table({"text": pa.array(texts, pa.string()), "n": pa.array(numbers, pa.float64())})
    coder = ArrowTableCoder()
    assert coder.decode(coder.encode(table)).equals(table)
    assert coder.decode(coder.encode(table.slice(1))).equals(table.slice(1))


@pytest.mark.parametrize(
    ("name", "options", "parts"),
    [
        ("DataflowRunner", (), ["DataflowRunner", "project=…", "options none"]),
        ("DataflowRunner", ("project=p",), ["region=…", "options project=p"]),
        ("DataflowRunner", PROJECT[:2], ["temp_location=…"]),
        ("MagicRunner", (), ["beam_runner", "DirectRunner, DataflowRunner", "'MagicRunner'"]),
        ("DirectRunner", ("direct_num_workrs=2",), ["beam_options", "direct_num_workrs"]),
        ("DirectRunner", ("direct_num_workers=two",), ["beam_options", "direct_num_workers"]),
    ],
)
def test_a_runner_that_cannot_run_says_what_is_missing_in_one_sentence(
    name: str, options: tuple[str, ...], parts: list[str]
) -> None:
    with pytest.raises(InputError) as caught:
        BeamRunner(name, options).pipeline_options()
    assert [part for part in parts if part not in str(caught.value)] == []


def test_options_go_through_to_the_runner() -> None:
    options = BeamRunner("DataflowRunner", (*PROJECT, "--num_workers=7")).pipeline_options()
    found = options.get_all_options()
    assert (found["runner"], found["project"], found["num_workers"]) == ("DataflowRunner", "p", 7)


def test_workers_elsewhere_need_a_folder_that_they_can_reach() -> None:
    with (
        pytest.raises(InputError, match="FlinkRunner: expected a beam option temp_location"),
        BeamRunner("FlinkRunner").workspace(),
    ):
        pass


def test_the_workspace_is_gone_afterwards(tmp_path: Path) -> None:
    with BeamRunner(options=(f"temp_location={tmp_path}",)).workspace() as workspace:
        (Path(workspace) / "x").write_text("x")
        assert Path(workspace).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_paths_are_joined_wherever_they_lead() -> None:
    assert join("/scratch", "a", "b.parquet") == "/scratch/a/b.parquet"
    assert join("gs://bucket/scratch/", "a", "b.parquet") == "gs://bucket/scratch/a/b.parquet"


def double(path: str, times: int) -> pa.Table:
    """Reads a shard, writes another, returns what it counted."""
    number = read_parquet(path)["n"].to_pylist()[0]
    write_parquet(f"{path}.done", pa.table({"n": [number * times]}))
    return pa.table({"n": [number]})


def add(one: pa.Table, other: pa.Table) -> pa.Table:
    """Sum of two counts."""
    return pa.table({"n": [one["n"].to_pylist()[0] + other["n"].to_pylist()[0]]})


WORKERS = ("direct_num_workers=2", "direct_running_mode=multi_processing")


@pytest.mark.parametrize("options", [(), WORKERS])
def test_a_function_goes_over_all_shards(tmp_path: Path, options: tuple[str, ...]) -> None:
    paths = [str(tmp_path / f"{number}") for number in range(5)]
    for number, path in enumerate(paths):
        write_parquet(path, pa.table({"n": [number]}))
    runner = BeamRunner(options=options)
    total = over_shards(runner, paths, partial(double, times=3), add, str(tmp_path / "result"))
    assert total["n"].to_pylist() == [0 + 1 + 2 + 3 + 4]
    assert [read_parquet(f"{path}.done")["n"].to_pylist()[0] for path in paths] == [0, 3, 6, 9, 12]
