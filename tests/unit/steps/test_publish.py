"""`publish`: whole, immutable, idempotent, and only through an open gate."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.unit.steps.test_gate import challenger, decide
from towerflow.errors import InputError
from towerflow.retrieval.pointer import How, read_pointer, write_pointer
from towerflow.retrieval.releases import Overtaken, ReleaseRoot
from towerflow.schema import MANIFEST_FILE, ArtifactKind
from towerflow.steps.publish import publish
from towerflow.storage.artifact import new_artifact, open_artifact, read_manifest


def changed_index(run: Run, path: Path, inputs: dict[str, str] | None = None) -> Path:
    """The shop's Index with another file; without inputs it doesn't say what it is made of."""
    manifest = read_manifest(run.index)
    with new_artifact(path, ArtifactKind.INDEX, "test") as draft:
        shutil.copytree(run.index, draft.folder, dirs_exist_ok=True)
        (draft.folder / MANIFEST_FILE).unlink()
        (draft.folder / "note").write_text(path.name, "utf-8")
        draft.counts, draft.details = manifest.counts, manifest.details
        draft.inputs = inputs or {}
    return path


def test_a_release_is_the_index_with_what_let_it_through(shop_run: Run) -> None:
    root = ReleaseRoot(shop_run.release_root)
    assert root.current() == shop_run.release_id
    manifest = open_artifact(Path(root.folder(shop_run.release_id)), ArtifactKind.RELEASE)
    assert {"index.faiss", "metrics.json", "decision.json"} < manifest.files.keys()
    assert manifest.details["decision"] == {"reason": "there is no champion yet", "forced": ""}


def test_publishing_the_same_again_changes_nothing(shop_run: Run) -> None:
    before = (shop_run.release_root / "current.json").read_text()
    again = publish(shop_run.index, shop_run.metrics, shop_run.decision, str(shop_run.release_root))
    assert again == shop_run.release_id
    assert (shop_run.release_root / "current.json").read_text() == before


def test_a_new_release_remembers_the_one_before(shop_run: Run, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first = publish(shop_run.index, shop_run.metrics, shop_run.decision, str(root))
    better = challenger(shop_run, tmp_path / "better", 0.1, first)
    decide(better, root, tmp_path / "decision")
    other = changed_index(shop_run, tmp_path / "index")
    second = publish(other, better, tmp_path / "decision", str(root))
    pointer = json.loads((root / "current.json").read_text())
    assert (pointer["release_id"], pointer["previous"]) == (second, first)
    assert {path.name for path in (root / "releases").iterdir()} == {first, second}


def test_a_closed_gate_can_not_be_passed(shop_run: Run, tmp_path: Path) -> None:
    worse = challenger(shop_run, tmp_path / "worse", -0.1, shop_run.release_id)
    assert decide(worse, shop_run.release_root, tmp_path / "decision") == "closed"
    with pytest.raises(InputError, match=r"an open gate, found ndcg@10: .* -10\.0%"):
        publish(shop_run.index, worse, tmp_path / "decision", str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_a_forced_release_is_one_of_its_own_and_says_why(shop_run: Run, tmp_path: Path) -> None:
    """Also where the same index was published before, as by an open gate."""
    root = tmp_path / "root"
    first = publish(shop_run.index, shop_run.metrics, shop_run.decision, str(root))
    worse = challenger(shop_run, tmp_path / "worse", -0.5, first)
    decide(worse, root, tmp_path / "decision", force="a wish")
    second = publish(shop_run.index, worse, tmp_path / "decision", str(root))
    assert second != first
    assert ReleaseRoot(root).current() == second
    decision = ReleaseRoot(root).manifest(second).details["decision"]
    assert isinstance(decision, dict)
    assert decision["forced"] == "a wish"


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
    live_before = publish(shop_run.index, shop_run.metrics, shop_run.decision, root)
    indices = [changed_index(shop_run, tmp_path / f"index-{number}") for number in range(2)]
    runs = [challenger(shop_run, tmp_path / name, 0.1, live_before) for name in "ab"]
    for number, metrics in enumerate(runs):  # both are judged beside the same champion …
        decide(metrics, tmp_path / "root", tmp_path / f"decision-{number}")
    first = publish(indices[0], runs[0], tmp_path / "decision-0", root)
    releases = ReleaseRoot(root)
    pointer = releases.pointer()
    with pytest.raises(Overtaken, match=f"found {first}, published meanwhile"):  # … and one wins
        publish(indices[1], runs[1], tmp_path / "decision-1", root)
    assert releases.pointer() == pointer
    [overtaken] = {*releases.release_ids()} - {live_before, first}
    manifest = open_artifact(Path(releases.folder(overtaken)), ArtifactKind.RELEASE)
    assert manifest.inputs["index"] == read_manifest(indices[1]).content_hash
    with pytest.raises(Overtaken, match=f"{overtaken} is complete beside it"):
        publish(indices[1], runs[1], tmp_path / "decision-1", root)


def published_twice(run: Run, folder: Path) -> tuple[ReleaseRoot, str, tuple[Path, Path, Path]]:
    """A root, the first of its two releases, and what the second was published of."""
    root = ReleaseRoot(folder / "root")
    first = publish(run.index, run.metrics, run.decision, str(root))
    better = challenger(run, folder / "better", 0.1, first)
    decide(better, folder / "root", folder / "decision")
    second = (changed_index(run, folder / "index"), better, folder / "decision")
    publish(*second, str(root))
    return root, first, second


def test_what_was_rolled_back_can_be_published_again(shop_run: Run, tmp_path: Path) -> None:
    """What it was compared with is live again; every move is remembered."""
    root, first, artifacts = published_twice(shop_run, tmp_path)
    second = str(root.current())
    root.point_to(first, How.ROLLBACK, {second})
    assert publish(*artifacts, str(root)) == second
    pointer = root.pointer()
    assert pointer is not None
    assert [move.release_id for move in pointer.history] == [first, second, first, second]


def test_what_is_being_deleted_is_not_published(shop_run: Run, tmp_path: Path) -> None:
    root, first, artifacts = published_twice(shop_run, tmp_path)
    second = str(root.current())
    root.point_to(first, How.ROLLBACK, {second})
    pointer, generation = read_pointer(str(root))
    assert pointer is not None
    write_pointer(str(root), pointer.retiring([second], "another"), generation)
    with pytest.raises(InputError, match=f"/{second}: expected a whole release, found one that is"):
        publish(*artifacts, str(root))
    assert root.current() == first
    assert root.prune(9, with_overtaken=False, take_over=True) == [second]
    assert publish(*artifacts, str(root)) == second


def test_of_two_that_would_be_the_first_one_wins(shop_run: Run, tmp_path: Path) -> None:
    """Both were decided upon while nothing was live."""
    root = tmp_path / "root"
    decided = (shop_run.metrics, shop_run.decision, str(root))
    first = publish(shop_run.index, *decided)
    other = changed_index(shop_run, tmp_path / "index")
    expected = f"expected nothing live, found {first}, published meanwhile"
    with pytest.raises(InputError, match=expected):
        publish(other, *decided)
    assert ReleaseRoot(root).current() == first
    assert publish(shop_run.index, *decided) == first


def test_a_champion_that_was_taken_down_meanwhile_stands_in_nobodys_way(
    shop_run: Run, tmp_path: Path
) -> None:
    better = challenger(shop_run, tmp_path / "better", 0.1, shop_run.release_id)
    assert decide(better, shop_run.release_root, tmp_path / "decision") == "open"
    root = tmp_path / "root"
    release_id = publish(shop_run.index, better, tmp_path / "decision", str(root))
    assert ReleaseRoot(root).current() == release_id


def test_a_decision_about_other_metrics_lets_nothing_through(shop_run: Run, tmp_path: Path) -> None:
    """As that of another run."""
    better = challenger(shop_run, tmp_path / "better", 0.1)
    decide(better, tmp_path / "root", tmp_path / "decision")
    for metrics, decision in (
        (shop_run.metrics, tmp_path / "decision"),
        (better, shop_run.decision),
    ):
        with pytest.raises(InputError, match="a decision about these metrics, found another"):
            publish(shop_run.index, metrics, decision, str(tmp_path / "root"))
    assert not (tmp_path / "root").exists()


def test_an_index_of_another_model_than_was_measured_is_refused(
    shop_run: Run, tmp_path: Path
) -> None:
    measured = read_manifest(shop_run.metrics).inputs["model"]
    assert read_manifest(shop_run.index).inputs["model"] == measured
    decided = (shop_run.metrics, shop_run.decision, str(tmp_path / "root"))
    other = changed_index(shop_run, tmp_path / "other", {"model": "0" * 64})
    with pytest.raises(InputError, match="an Index of the model that was measured, found another"):
        publish(other, *decided)
    assert not (tmp_path / "root").exists()
    same = changed_index(shop_run, tmp_path / "same", {"model": measured})
    assert publish(same, *decided)


@pytest.mark.parametrize("who", ["index", "metrics", "neither"])
def test_where_one_does_not_say_its_model_it_is_believed(
    shop_run: Run, tmp_path: Path, who: str
) -> None:
    """As what a refresh takes out of a release."""
    root = tmp_path / "root"
    metrics = challenger(shop_run, tmp_path / "metrics", 0.0)  # says no model
    decision = tmp_path / "decision"
    decide(metrics, root, decision)
    if who == "metrics":
        metrics, decision = shop_run.metrics, shop_run.decision
    index = shop_run.index if who == "index" else changed_index(shop_run, tmp_path / "index")
    assert publish(index, metrics, decision, str(root))
