"""A release, opened: finds items by name, recommends, refuses what it can't do."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Run
from towerflow.errors import InputError
from towerflow.retrieval.release import Release


@pytest.fixture(scope="module")
def release(shop_run: Run) -> Release:
    """The shop's current release."""
    return Release.current(shop_run.release_root)


def test_it_recommends_the_next_of_a_theme(release: Release) -> None:
    """In the shop people walk through a theme's items, one after the other."""
    history = [release.find_item(name) for name in ("T31", "T32", "T33")]
    found = release.recommend(history, 5)
    assert all(item.item_id.startswith("T") for item in found[:3])
    assert {"T31", "T32", "T33"}.isdisjoint(item.item_id for item in found)
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)


def test_all_that_is_left_can_be_asked_for(release: Release) -> None:
    assert len(release.recommend([0, 1], 50)) == 48


def test_a_user_has_the_whole_history(release: Release) -> None:
    assert len(release.user_ids()) == 40
    history = [release.item_ids[item] for item in release.history("user01")]
    assert 5 <= len(history) <= 9
    assert len(set(history)) == len(history)


def test_similar_items_are_ranked_without_the_item(release: Release) -> None:
    item = release.find_item("Yoga mat")
    found = release.similar(item, 49)
    assert len(found) == 49
    assert item not in [release.find_item(result.item_id) for result in found]


@pytest.mark.parametrize(
    ("name", "item_id"),
    [("K01", "K01"), ("Bread knife", "K02"), ("bread KNIFE", "K02"), ("Kit", "T35")],
)
def test_an_item_is_found_by_id_title_or_the_start_of_it(
    release: Release, name: str, item_id: str
) -> None:
    assert release.item_ids[release.find_item(name)] == item_id


def test_unclear_names_are_refused_with_what_was_found(release: Release) -> None:
    with pytest.raises(InputError, match=r"one item, found 2: Tomato seeds \(G13\); Toy tractor"):
        release.find_item("to")
    with pytest.raises(InputError, match="did you mean: Yoga mat"):
        release.find_item("Joga mat")
    with pytest.raises(InputError, match="none like it"):
        release.find_item("zzzzzz")


@pytest.mark.parametrize("k", [0, -1, 51])
def test_k_is_within_the_catalogue(release: Release, k: int) -> None:
    with pytest.raises(InputError, match=f"a number from 1 to the 50 items, found {k}"):
        release.recommend([0], k)


def test_an_empty_history_and_an_unknown_user_are_refused(release: Release) -> None:
    with pytest.raises(InputError, match="at least one item, found none"):
        release.recommend([], 5)
    with pytest.raises(InputError, match="user 'nobody'"):
        release.history("nobody")


def test_a_damaged_release_is_not_opened(shop_run: Run, tmp_path: Path) -> None:
    shutil.copytree(shop_run.release_root, tmp_path / "root")
    index = tmp_path / "root" / "releases" / shop_run.release_id / "index.faiss"
    content = bytearray(index.read_bytes())
    content[100] ^= 1
    index.write_bytes(content)
    with pytest.raises(InputError, match=r"index\.faiss: expected sha256"):
        Release.current(tmp_path / "root")
