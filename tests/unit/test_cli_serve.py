"""`towerflow recommend` and `towerflow similar`, as they are typed."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import Run
from towerflow.cli import app
from towerflow.errors import InputError
from towerflow.retrieval.release import Release


@pytest.fixture(scope="module")
def release(shop_run: Run) -> Release:
    return Release.open(shop_run.release_root)


def towerflow(run: Run, *arguments: str) -> str:
    """Output of a command on the shop's root."""
    done = CliRunner().invoke(
        app,
        [*arguments, "--release-root", str(run.release_root)],
        catch_exceptions=False,
        env={"COLUMNS": "200"},
    )
    assert done.exit_code == 0, done.output
    return done.output


def offered(output: str) -> list[str]:
    """Titles of a table, best first."""
    lines = [line.split("│")[3] for line in output.splitlines() if line.startswith("│")]
    return [line.strip().rsplit("  ", 1)[0] for line in lines if line.strip()]


def listed(output: str) -> list[str]:
    """Ids of `similar`, best first."""
    return re.findall(r"\((\w+)\)$", "\n".join(output.splitlines()[1:]), re.MULTILINE)


def test_a_user_is_offered_what_the_release_recommends(shop_run: Run, release: Release) -> None:
    user = release.user_ids[5]
    found = offered(towerflow(shop_run, "recommend", "--user", user, "--k", "7"))
    assert found == [item.title for item in release.recommend(user=user, k=7)]
    assert len(found) == 7


def test_ids_and_titles_of_liked_items_are_the_same(shop_run: Run, release: Release) -> None:
    one, other = release.names.ids[3], release.names.ids[8]
    titles = release.titles([one, other])
    by_id = towerflow(shop_run, "recommend", "--liked", one, "--liked", other)
    assert by_id == towerflow(shop_run, "recommend", "--liked", titles[0], "--liked", titles[1])
    assert offered(by_id) == [item.title for item in release.recommend([one, other])]


def test_without_leaves_items_out(shop_run: Run, release: Release) -> None:
    user = release.user_ids[5]
    first, second, *others = release.recommend(user=user, k=10)
    ask = ("recommend", "--user", user, "--k", "8")
    found = offered(
        towerflow(shop_run, *ask, "--without", first.item_id, "--without", second.title)
    )
    assert found == [item.title for item in others]


def test_only_keeps_to_some_items(shop_run: Run, release: Release) -> None:
    user = release.user_ids[5]
    best = release.recommend(user=user, k=10)
    ask = ("recommend", "--user", user, "--only", best[7].item_id, "--only", best[2].title)
    assert offered(towerflow(shop_run, *ask)) == [best[2].title, best[7].title]
    assert offered(towerflow(shop_run, *ask, "--without", best[2].item_id)) == [best[7].title]


def test_similar_takes_only_and_without_too(shop_run: Run, release: Release) -> None:
    item = release.names.ids[0]
    best = [one.item_id for one in release.similar(item, k=5)]
    assert listed(towerflow(shop_run, "similar", "--item", item, "--k", "5")) == best
    ask = ("similar", "--item", item, "--k", "4")
    assert listed(towerflow(shop_run, *ask, "--without", best[0])) == best[1:]
    assert listed(towerflow(shop_run, *ask, "--only", best[3], "--only", best[1])) == [
        best[1],
        best[3],
    ]


@pytest.mark.parametrize("option", ["--only", "--without"])
def test_an_unknown_item_in_a_filter_is_told(shop_run: Run, release: Release, option: str) -> None:
    """Else a letter too much would let through what should not be found."""
    for ask in (("recommend", "--user", release.user_ids[0]), ("similar", "--item", "Yoga mat")):
        with pytest.raises(InputError, match=r"item 'Yoga mad': .*did you mean: Yoga mat"):
            towerflow(shop_run, *ask, option, "Yoga mad")


def test_a_release_is_asked_by_its_own_folder_too(shop_run: Run, release: Release) -> None:
    user = release.user_ids[0]
    folder = Path(shop_run.release_root) / "releases" / shop_run.release_id
    arguments = ["recommend", "--user", user, "--release-root", str(folder)]
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.output == towerflow(shop_run, "recommend", "--user", user)
