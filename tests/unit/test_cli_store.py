"""`towerflow store` and `towerflow estimate`, as they are typed."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.conftest import SHOP
from tests.unit.embedding.test_store import open_store, values
from towerflow.cli import app
from towerflow.embedding.store import text_keys
from towerflow.errors import InputError


def towerflow(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "160"})
    return done.exit_code, done.output


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A store of one encoder: three texts in two parts, one of them twice."""
    store = open_store(tmp_path)
    store.describe()
    store.add(text_keys(["a", "b"]), values(1, 2))
    store.add(text_keys(["b", "c"]), values(2, 3))
    return str(tmp_path)


def row(output: str) -> list[str]:
    """The cells of the only row of a table."""
    (line,) = [line for line in output.splitlines() if line.startswith("│")]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_stats_then_compact_then_stats(root: str) -> None:
    code, output = towerflow("store", "stats", "--embedding-store", root)
    assert code == 0
    assert row(output)[:7] == ["llm f", "mean", "128", "float32", "3", "1", "2"]
    code, output = towerflow("store", "compact", "--embedding-store", root)
    assert (code, output.strip()) == (0, f"{root}/f: 2 parts became 1, 3 texts")
    assert row(towerflow("store", "stats", "--embedding-store", root)[1])[4:7] == ["3", "0", "1"]


def test_verify_has_an_exit_code(root: str) -> None:
    code, output = towerflow("store", "verify", "--embedding-store", root)
    assert (code, output.strip()) == (0, f"{root}/f: 2 parts read, 0 wrong")
    open_store(Path(root)).add(text_keys(["d"]), np.zeros((1, 3), np.float32))
    code, output = towerflow("store", "verify", "--embedding-store", root)
    assert code == 1
    assert "NaN, infinity or zeros" in output
    assert "3 parts read, 1 wrong" in output


def test_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected an embedding store, found none"):
        towerflow("store", "stats", "--embedding-store", str(tmp_path / "none"))


def test_estimate_reads_a_sample_of_the_users_items(tiny_encoder: Path) -> None:
    items, model = str(SHOP / "items.jsonl"), str(tiny_encoder)
    options = ["--items", items, "--model", model, "--num-items", "1000", "--hour-price", "2"]
    code, output = towerflow("estimate", *options)
    assert code == 0
    assert "reading a sample of 50 texts with tiny-encoder0 on" in output
    assert "1,000 items, 1,000 distinct texts" in output
    assert "measured here" in output
    assert "price" in output
    assert "H100" in output
