"""`publish`: whole, immutable, idempotent, and only through an open gate."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.unit.steps.test_gate import challenger
from towerflow.errors import InputError
from towerflow.retrieval.releases import current_release
from towerflow.schema import ArtifactKind
from towerflow.steps.gate import gate
from towerflow.steps.publish import publish
from towerflow.storage.artifact import open_artifact


def test_a_release_is_the_index_with_what_let_it_through(shop_run: Run) -> None:
    folder = current_release(shop_run.release_root)
    assert folder is not None
    assert folder.name == shop_run.release_id
    manifest = open_artifact(folder, ArtifactKind.RELEASE)
    assert {"index.faiss", "metrics.json", "decision.json"} < manifest.files.keys()


def test_publishing_the_same_again_changes_nothing(shop_run: Run) -> None:
    before = (shop_run.release_root / "current.json").read_text()
    again = publish(shop_run.index, shop_run.metrics, shop_run.decision, str(shop_run.release_root))
    assert again == shop_run.release_id
    assert (shop_run.release_root / "current.json").read_text() == before


def test_a_new_release_remembers_the_one_before(shop_run: Run, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = publish(shop_run.index, shop_run.metrics, shop_run.decision, str(root))
    better = challenger(shop_run, tmp_path / "better", 0.1)
    gate(better, str(root), tmp_path / "decision")
    second = publish(shop_run.index, better, tmp_path / "decision", str(root))
    pointer = json.loads((root / "current.json").read_text())
    assert (pointer["release_id"], pointer["previous"]) == (second, first)
    assert {path.name for path in (root / "releases").iterdir()} == {first, second}


def test_a_closed_gate_can_not_be_passed(shop_run: Run, tmp_path: Path) -> None:
    worse = challenger(shop_run, tmp_path / "worse", -0.1)
    assert gate(worse, str(shop_run.release_root), tmp_path / "decision") == "closed"
    with pytest.raises(InputError, match=r"an open gate, found ndcg@10 .* is worse than"):
        publish(shop_run.index, worse, tmp_path / "decision", str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_a_damaged_index_is_not_published(shop_run: Run, tmp_path: Path) -> None:
    damaged = tmp_path / "index"
    damaged.mkdir()
    for name in ("manifest.json", "index.faiss"):
        (damaged / name).write_bytes((shop_run.index / name).read_bytes())
    with pytest.raises(InputError, match="a file that the manifest lists"):
        publish(damaged, shop_run.metrics, shop_run.decision, str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_what_was_decided_about_another_champion_is_not_published(
    shop_run: Run, tmp_path: Path
) -> None:
    root = str(tmp_path / "root")
    publish(shop_run.index, shop_run.metrics, shop_run.decision, root)
    runs = [
        challenger(shop_run, tmp_path / name, better) for name, better in (("a", 0.1), ("b", 0.2))
    ]
    for number, metrics in enumerate(runs):  # both are judged beside the same champion …
        gate(metrics, root, tmp_path / f"decision-{number}")
    first = publish(shop_run.index, runs[0], tmp_path / "decision-0", root)
    with pytest.raises(InputError, match=f"found {first}, published meanwhile"):  # … and one wins
        publish(shop_run.index, runs[1], tmp_path / "decision-1", root)
    live = current_release(tmp_path / "root")
    assert live is not None
    assert live.name == first
