"""A release, opened: recommends what its model would, under any filter, to many at once."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Run
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.errors import InputError
from towerflow.interactions.dataset import Dataset
from towerflow.models.files import load_model
from towerflow.retrieval.release import SERVED_FILES, VECTOR_SPACE, Item, Release
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, read_manifest

NUM_ITEMS = 50
SERVED = [name for name in SERVED_FILES if name != "user_inputs.npy"]  # LEARN knows no users


@pytest.fixture(scope="module")
def release(shop_run: Run) -> Release:
    """The shop's current release."""
    return Release.open(shop_run.release_root)


def folder_of(run: Run) -> Path:
    """That of the release itself."""
    return run.release_root / "releases" / run.release_id


def ids(found: list[Item]) -> list[str]:
    return [item.item_id for item in found]


def test_it_recommends_the_next_of_a_theme(release: Release) -> None:
    """In the shop people walk through a theme's items, one after the other."""
    found = release.recommend(["T31", "T32", "T33"], k=5)
    assert len(found) == 5
    assert all(item.item_id.startswith("T") for item in found[:3])
    assert {"T31", "T32", "T33"}.isdisjoint(ids(found))
    scores = [item.score for item in found]
    assert scores == sorted(scores, reverse=True)
    assert [item.title for item in found] == release.titles(ids(found))


def test_ten_are_recommended_unless_said_otherwise(release: Release) -> None:
    assert release.recommend(["K01"]) == release.recommend(["K01"], k=10)
    assert len(release.recommend(["K01"])) == len(release.similar("K01")) == 10


@torch.inference_mode()
def test_everybody_gets_what_the_model_in_torch_says(shop_run: Run, release: Release) -> None:
    data = Dataset.open(shop_run.dataset)
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    model, histories = load_model(shop_run.model), data.lists(*Split)
    items, users = model.item_vectors(embeddings), model.user_vectors(histories, embeddings)
    np.testing.assert_allclose(release.user_vectors(data.user_ids), users, atol=1e-5)
    np.testing.assert_allclose(release.index.vectors, items, atol=1e-5)
    for user, scores in enumerate((users @ items.T).numpy()):
        found = release.recommend(user=data.user_ids[user], k=NUM_ITEMS)
        left = np.setdiff1d(np.arange(NUM_ITEMS), histories[user])
        assert sorted(ids(found)) == [data.item_ids[item] for item in left]
        expected = {data.item_ids[item]: scores[item] for item in left}
        assert {item.item_id: item.score for item in found} == pytest.approx(expected, abs=1e-5)
        assert [item.score for item in found] == sorted(
            (item.score for item in found), reverse=True
        )


def test_all_that_is_left_can_be_asked_for(release: Release) -> None:
    assert len(release.recommend(["K01", "K02"], k=NUM_ITEMS)) == NUM_ITEMS - 2


def test_items_that_the_release_does_not_know_are_passed_over(release: Release) -> None:
    """They came after it."""
    known = release.recommend(["T31", "T33"])
    assert release.recommend(["new", "T31", "", "newer", "T33", "newest"]) == known
    assert release.recommend(["T33", "T31"]) != known, "the order counts"


@pytest.mark.parametrize("history", [[], ["new", "newer"]])
def test_of_nothing_known_nothing_is_recommended(release: Release, history: list[str]) -> None:
    with pytest.raises(InputError, match="the history: expected an item of this release, found no"):
        release.recommend(history)


def test_a_user_is_recommended_after_the_own_history(release: Release) -> None:
    history = release.history_of("user01")
    assert history == ["G20", "G11", "S41", "G13", "G14", "G15", "G16"]
    found = release.recommend(user="user01")
    assert found == release.recommend(history)
    assert set(history).isdisjoint(ids(found))


def test_a_user_may_come_with_another_history(release: Release) -> None:
    """It alone counts to a model that knows no users; what was taken before is left out too."""
    before = release.history_of("user01")
    found = release.recommend(["K01"], user="user01", k=20)
    assert found == release.recommend(["K01"], k=20, deny=before)
    assert found != release.recommend(["K01"], k=20)


def test_users_of_the_release_are_a_sequence(release: Release) -> None:
    assert len(release.user_ids) == 40
    assert list(release.user_ids[:2]) == ["user01", "user02"]
    assert "user40" in release.user_ids
    assert release.user_vectors([]).shape == (0, 8)


def test_vectors_of_some_users_are_in_the_order_asked(release: Release) -> None:
    all_vectors = release.user_vectors(release.user_ids)
    some = release.user_vectors(["user30", "user02", "user30"])
    np.testing.assert_allclose(some, all_vectors[[29, 1, 29]], atol=1e-6)
    assert some.dtype == np.float32


subsets = st.lists(st.sampled_from([f"T{number}" for number in range(31, 41)] + ["K01", "new"]))


@given(allow=st.none() | subsets, deny=subsets, k=st.integers(1, NUM_ITEMS))
@settings(max_examples=50)
def test_filters_leave_the_order_of_the_rest(
    release: Release, allow: list[str] | None, deny: list[str], k: int
) -> None:
    """Denied wins over allowed; ids that nobody knows are no mistake."""
    for ask in (
        lambda **filters: release.recommend(["T31", "T32"], **filters),
        lambda **filters: release.similar("T31", **filters),
    ):
        everything: list[Item] = ask(k=NUM_ITEMS)
        left = [
            item
            for item in everything
            if (allow is None or item.item_id in allow) and item.item_id not in deny
        ]
        found: list[Item] = ask(k=k, allow=allow, deny=deny)
        assert ids(found) == ids(left)[:k]
        assert [one.score for one in found] == pytest.approx([one.score for one in left[:k]])


@pytest.mark.parametrize("make", [list, set, tuple, frozenset, dict.fromkeys])
def test_filters_may_be_long_and_of_any_kind(
    release: Release, make: Callable[[list[str]], dict[str, None]]
) -> None:
    """A thousand and more are looked up otherwise than a few."""
    few = ["T34", "T35", "K01"]
    many = make([*few, *(f"sold-out-{number}" for number in range(1000))])
    history = ["T31", "T32"]
    assert release.recommend(history, deny=many) == release.recommend(history, deny=few)
    assert release.recommend(history, allow=many) == release.recommend(history, allow=few)
    long = [*(f"new-{number}" for number in range(1000)), *history]
    assert release.recommend(long) == release.recommend(history)


def test_similar_items_are_ranked_without_the_item(release: Release) -> None:
    item = release.names.find("Yoga mat")
    item_id = release.names.ids[item]
    found = release.similar(item_id, k=NUM_ITEMS - 1)
    vectors = np.array(release.index.vectors)
    order = np.argsort(-(vectors @ vectors[item]), kind="stable")
    assert ids(found) == [release.names.ids[other] for other in order if other != item]
    with pytest.raises(InputError, match="item 'Yoga mat': expected an item of this release"):
        release.similar("Yoga mat")


@pytest.mark.parametrize(
    ("name", "item_id"),
    [("K01", "K01"), ("Bread knife", "K02"), ("bread KNIFE", "K02"), ("Kit", "T35")],
)
def test_an_item_is_found_by_id_title_or_the_start_of_it(
    release: Release, name: str, item_id: str
) -> None:
    assert release.names.ids[release.names.find(name)] == item_id


def test_unclear_names_are_refused_with_what_was_found(release: Release) -> None:
    with pytest.raises(InputError, match=r"one item, found 2: Tomato seeds \(G13\); Toy tractor"):
        release.names.find("to")
    with pytest.raises(InputError, match="did you mean: Yoga mat"):
        release.names.find("Joga mat")


@pytest.mark.parametrize("k", [0, -1, 51])
def test_k_is_within_the_catalogue(release: Release, k: int) -> None:
    sentence = f"a number from 1 to the 50 items, found {k}"
    with pytest.raises(InputError, match=sentence):
        release.recommend(["K01"], k=k)
    with pytest.raises(InputError, match=sentence):
        release.similar("K01", k=k)


@pytest.mark.parametrize(
    "ask",
    [
        lambda release: release.history_of("nobody"),
        lambda release: release.recommend(user="nobody"),
        lambda release: release.recommend(["K01"], user="nobody"),
        lambda release: release.user_vectors(["user01", "nobody", "user02"]),
    ],
)
def test_an_unknown_user_is_named(release: Release, ask: Callable[[Release], object]) -> None:
    with pytest.raises(InputError, match="user 'nobody': expected a user of this release"):
        ask(release)


def test_it_is_asked_by_many_threads_at_once(shop_run: Run, release: Release) -> None:
    """Each starts with a release that has read no histories yet."""
    users = list(release.user_ids)

    def answers(asked: Release) -> list[list[Item]]:
        found = [asked.recommend(user=user, k=5, deny=["K01"]) for user in users]
        return found + [asked.similar(item, allow=asked.names.ids[::2]) for item in ("K01", "T31")]

    expected, shared = answers(release), Release.open(shop_run.release_root, num_threads=1)
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: answers(shared), range(8)))
    for found in results:
        assert [ids(row) for row in found] == [ids(row) for row in expected]
        for row, expected_row in zip(found, expected, strict=True):
            assert [one.score for one in row] == pytest.approx([one.score for one in expected_row])


# Opening.


def test_vectors_stay_on_disk(release: Release) -> None:
    assert isinstance(release.index.vectors, np.memmap)
    assert not release.index.vectors.flags.writeable


def test_it_is_opened_by_its_root_or_its_own_folder(shop_run: Run, release: Release) -> None:
    details = read_manifest(shop_run.index).details
    for uri in (str(shop_run.release_root), f"{shop_run.release_root}/", folder_of(shop_run)):
        opened = Release.open(uri)
        assert opened.release_id == shop_run.release_id
        assert opened.folder == folder_of(shop_run)
        assert opened.vector_space == details[VECTOR_SPACE]
        assert opened.num_items == NUM_ITEMS
        assert opened.recommend(["K01"]) == release.recommend(["K01"])


@pytest.mark.parametrize("name", SERVED)
def test_a_damaged_file_is_named(shop_run: Run, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder_of(shop_run), tmp_path / "release")
    path = tmp_path / "release" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: expected sha256"):
        Release.open(tmp_path / "release")
    path.unlink()
    with pytest.raises(InputError, match=f"{name}: expected"):
        Release.open(tmp_path / "release")


def test_what_serving_does_not_need_may_be_missing(shop_run: Run, tmp_path: Path) -> None:
    """A service may copy only what it reads."""
    for name in ("manifest.json", *SERVED):
        shutil.copy(folder_of(shop_run) / name, tmp_path)
    assert len(Release.open(tmp_path).recommend(user="user01")) == 10


def test_files_of_other_items_are_refused(shop_run: Run, tmp_path: Path) -> None:
    """Each is whole, and they are not of the same catalogue."""
    manifest = read_manifest(folder_of(shop_run))
    with new_artifact(tmp_path / "release", ArtifactKind.RELEASE, "test") as draft:
        for name in SERVED:
            shutil.copy(folder_of(shop_run) / name, draft.folder)
        items = pq.read_table(draft.folder / "items.parquet")
        pq.write_table(items.slice(0, 49), draft.folder / "items.parquet")
        draft.details = manifest.details
    with pytest.raises(
        InputError,
        match=r"files of the same items, found index\.faiss 50 × 8, items\.parquet 49 × 8, "
        r"item_inputs\.npy 50 × 8",
    ):
        Release.open(tmp_path / "release")


def test_where_nothing_is_published_nothing_is_opened(shop_run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.json"):
        Release.open(tmp_path)
    with pytest.raises(InputError, match="index"):
        Release.open(shop_run.index)


def test_one_that_is_pruned_meanwhile_gives_way_to_the_current(
    shop_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was current when it was looked up is gone when it is read; only then."""
    now = ReleaseRoot(shop_run.release_root).pointer()
    assert now is not None
    gone = now.model_copy(update={"release_id": "r-gone"})
    seen = iter([gone, now])
    monkeypatch.setattr(ReleaseRoot, "pointer", lambda self: next(seen))
    assert Release.open(shop_run.release_root).release_id == shop_run.release_id
    seen = iter([gone, gone])
    with pytest.raises(InputError, match="r-gone"):
        Release.open(shop_run.release_root)


def test_one_text_is_no_list_of_ids(release: Release) -> None:
    with pytest.raises(InputError, match="item ids: expected a list, found the text 'T31'"):
        release.recommend("T31")
