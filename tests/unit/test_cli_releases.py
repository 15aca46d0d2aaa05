"""`towerflow releases`, as it is typed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import Run
from tests.unit.retrieval.shop_releases import first_items, two_releases
from towerflow.cli import app
from towerflow.errors import InputError
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.retrieval.pointer import How, read_pointer, write_pointer
from towerflow.retrieval.releases import ReleaseRoot

Releases = tuple[ReleaseRoot, str, str]


@pytest.fixture
def releases(shop_run: Run, tmp_path: Path) -> Releases:
    """A root, the release before and the current one."""
    return two_releases(shop_run, tmp_path)


def ask(root: object, *arguments: str) -> str:
    """Output of `towerflow releases …`."""
    done = CliRunner().invoke(
        app,
        ["releases", *arguments, "--release-root", str(root)],
        catch_exceptions=False,
        env={"COLUMNS": "200"},
    )
    assert done.exit_code == 0, done.output
    return done.output


def rows(output: str) -> list[list[str]]:
    """Cells of a table below its head."""
    lines = [line for line in output.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_list_tells_what_is_current_and_what_was(releases: Releases) -> None:
    root, first, second = releases
    pointer = root.pointer()
    assert pointer is not None
    before, now = (move.at[:16].replace("T", " ") for move in pointer.history)
    assert [row[:5] for row in rows(ask(root, "list"))] == [
        ["→", second, f"{now}, forced", "50", "exact, 1.0000"],
        ["", first, before, "50", "exact, 1.0000"],
    ]
    root.point_to(first, How.ROLLBACK)
    assert [row[:2] for row in rows(ask(root, "list"))] == [["→", first], ["", second]]


def test_list_tells_what_never_was_current(releases: Releases, tmp_path: Path) -> None:
    root, first, second = releases
    other = ReleaseRoot(tmp_path / "other")
    other.point_to(other.add(Path(root.folder(first))), How.PUBLISH)
    other.add(Path(root.folder(second)))
    found = rows(ask(other, "list"))
    assert [row[1] for row in found] == [first, second]
    assert found[1][2] == "never: overtaken, forced"


def test_one_that_is_damaged_hides_no_other(releases: Releases) -> None:
    root, first, second = releases
    (Path(root.folder(second)) / "manifest.json").write_text("{")
    found = rows(ask(root, "list"))
    assert [row[:2] for row in found] == [["→", second], ["", first]]
    assert [row[3] for row in found] == ["damaged", "50"]


def test_show_tells_files_counts_and_moves_of_one(releases: Releases) -> None:
    root, first, second = releases
    assert root.point_to(first, How.ROLLBACK).previous == second
    of_current, of_first, of_second = (ask(root, "show", *name) for name in ([], [first], [second]))
    assert of_current == of_first
    assert f"folder   {root.folder(first)}\n" in of_first
    assert "(move 1, publish)" in of_first
    assert "(move 3, rollback)" in of_first
    assert "(move 2, publish)" not in of_first
    assert "(move 2, publish)" in of_second
    assert "index    exact, recall@" in of_second
    assert "file     items.parquet, " in of_second
    assert '"forced": "a wish"' in of_second


def test_diff_tells_what_changed_from_the_release_before(releases: Releases, shop_run: Run) -> None:
    root, first, second = releases
    output = ask(root, "diff")
    assert output == ask(root, "diff", first, second) == ask(root, "diff", first)
    told = {row[0]: row[1:] for row in rows(output)}
    recall = EvaluationMetrics.read(shop_run.metrics).model["recall@10"]
    assert told["items"] == ["50", "50"]
    assert told["users"] == ["40", "41"]
    assert told["more"] == ["", "7"]
    assert told["recall@10"] == [f"{recall:.4f}", f"{recall / 2:.4f}"]
    assert told["decision.forced"] == ["", "a wish"]
    gone, changed = first_items(shop_run)
    assert output.splitlines()[-4:] == [
        "new      1 items: A00",
        f"gone     1 items: {gone}",
        f"changed  1 items: {changed}",
        "vectors  cannot be compared",
    ]
    assert "vectors  can be compared" in ask(root, "diff", first, first)


def test_rollback_goes_to_the_release_before_and_forth_again(releases: Releases) -> None:
    root, first, second = releases
    assert ask(root, "rollback") == f"{first} is the current release, instead of {second}\n"
    assert root.current() == first
    assert ask(root, "rollback") == f"{second} is the current release, instead of {first}\n"
    assert ask(root, "rollback", first).startswith(first)
    pointer = root.pointer()
    assert pointer is not None
    assert [move.release_id for move in pointer.history] == [first, second, first, second, first]
    assert [move.how.value for move in pointer.history] == ["publish"] * 2 + ["rollback"] * 3


def test_rollback_helps_where_the_current_release_is_broken(releases: Releases) -> None:
    root, first, second = releases
    (Path(root.folder(second)) / "manifest.json").unlink()
    with pytest.raises(InputError, match=f"{second}: expected a whole release"):
        root.current()
    ask(root, "rollback")
    assert root.current() == first


@pytest.mark.parametrize("command", ["rollback", "show", "diff"])
def test_an_unknown_release_is_told_with_those_that_are_there(
    releases: Releases, command: str
) -> None:
    root, first, second = releases
    known = ", ".join(sorted([first, second]))
    with pytest.raises(InputError, match=rf"release 'r-0': expected one of .*, found {known}"):
        ask(root, command, "r-0")
    assert root.current() == second


def test_rollback_to_what_is_current_is_refused(releases: Releases) -> None:
    root, _, second = releases
    with pytest.raises(InputError, match=f"another release than the current, found {second}"):
        ask(root, "rollback", second)


def test_where_there_is_none_before_that_is_said(releases: Releases, tmp_path: Path) -> None:
    only = ReleaseRoot(tmp_path / "only")
    only.point_to(only.add(Path(releases[0].folder(releases[1]))), How.PUBLISH)
    for command in ("rollback", "diff"):
        with pytest.raises(InputError, match="a release before the current one, found none"):
            ask(only, command)


@pytest.mark.parametrize("command", ["list", "show", "diff", "rollback", "prune"])
def test_where_nothing_is_published_that_is_said(tmp_path: Path, command: str) -> None:
    with pytest.raises(InputError, match=r"nowhere: expected a release root, found nothing publis"):
        ask(tmp_path / "nowhere", command)
    assert not (tmp_path / "nowhere").exists()


def test_prune_keeps_five_unless_told_otherwise(releases: Releases) -> None:
    root, first, second = releases
    assert ask(root, "prune") == "0 deleted\n"
    assert ask(root, "prune", "--keep", "1") == f"1 deleted: {first}\n"
    assert root.release_ids() == [second]
    with pytest.raises(InputError, match=f"release '{first}': expected one of .*, found {second}"):
        ask(root, "rollback")


def test_prune_deletes_what_was_overtaken_only_if_that_is_said(
    releases: Releases, tmp_path: Path
) -> None:
    root, first, second = releases
    other = ReleaseRoot(tmp_path / "other")
    other.point_to(other.add(Path(root.folder(first))), How.PUBLISH)
    other.add(Path(root.folder(second)))
    assert ask(other, "prune", "--keep", "1") == "0 deleted\n"
    assert ask(other, "prune", "--keep", "1", "--with-overtaken") == f"1 deleted: {second}\n"


def test_what_a_killed_prune_began_is_finished_only_if_that_is_said(releases: Releases) -> None:
    root, first, second = releases
    pointer, generation = read_pointer(str(root))
    assert pointer is not None
    write_pointer(str(root), pointer.retiring([first], "killed"), generation)
    with pytest.raises(InputError, match=f"one that deletes {first}; if it was .*--take-over"):
        ask(root, "prune")
    assert ask(root, "prune", "--take-over") == f"1 deleted: {first}\n"
    assert root.release_ids() == [second]
    assert ask(root, "prune") == "0 deleted\n"


def test_none_is_no_number_to_keep(releases: Releases) -> None:
    done = CliRunner().invoke(
        app, ["releases", "prune", "--keep", "0", "--release-root", str(releases[0])]
    )
    assert done.exit_code == 2
    assert len(releases[0].release_ids()) == 2


def test_the_only_root_needs_no_name(
    releases: Releases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "towerflow-out/releases").mkdir(parents=True)
    Path(releases[0].root).rename(tmp_path / "towerflow-out/releases/shop")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["releases", "list"], env={"COLUMNS": "200"})
    assert rows(done.output)[0][:2] == ["→", releases[2]]
