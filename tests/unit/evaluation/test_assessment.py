"""Everything that is said of a model: means, beyond accuracy, slices, strangers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.unit.evaluation.held_out import held_out as of_data
from tests.unit.evaluation.small_data import TEST, TRAIN, VALIDATION, Event, Told, dataset
from towerflow.evaluation.assessment import HeldOut, as_if_new, judge, slice_all
from towerflow.evaluation.metrics import METRICS
from towerflow.evaluation.popularity_groups import PopularityGroups
from towerflow.evaluation.protocol import CUTOFFS, PRIMARY_METRIC, task
from towerflow.interactions.histories import ItemLists
from towerflow.models.popularity import Popularity

NUM_ITEMS = 30
# User 0 has one item before, users 1 and 2 have four.
EVENTS: list[Event] = [
    (0, 0, TRAIN),
    (0, 1, TEST),
    *((1, item, TRAIN) for item in (1, 2, 3, 4)),
    (1, 0, TEST),
    (1, 29, TEST),
    *((2, item, TRAIN) for item in (5, 6, 7, 8)),
    (2, 25, TEST),
]
# Items 0, 1, 2, … by falling popularity: item i was taken 29 - i times.
MODEL = Popularity(torch.arange(NUM_ITEMS - 1, -1, -1, dtype=torch.float32))
EMBEDDINGS = torch.eye(NUM_ITEMS).double()


def held_out(*, hide_history: bool = True, negatives: int = 0) -> HeldOut:
    data = dataset(EVENTS, NUM_ITEMS)
    popularity = np.bincount(data.lists(TRAIN).items, minlength=NUM_ITEMS)
    groups = PopularityGroups.of(popularity)
    posed = task(data, TEST, hide_history=hide_history, negatives=negatives)
    return HeldOut(data, EMBEDDINGS, posed, popularity, num_trained=3, groups=groups)


def test_a_judged_model_has_every_metric_once() -> None:
    judged = judge(MODEL, EMBEDDINGS, held_out())
    ranking = {f"{name}@{k}" for name in METRICS for k in CUTOFFS}
    beyond = {"novelty@10", "intra_list_diversity@10"}
    assert judged.per_user.keys() == ranking | beyond
    assert judged.means.keys() == ranking | beyond | {"coverage@10", "gini@10"}
    for name, values in judged.per_user.items():
        assert judged.means[name] == values.mean()
    assert judged.primary.tolist() == judged.per_user[PRIMARY_METRIC].tolist()


def test_the_first_ten_places_are_what_a_person_is_shown() -> None:
    """User 0 is shown 1 to 10; user 1: 0 and 5 to 13; user 2: 0 to 4 and 9 to 13."""
    judged = judge(MODEL, EMBEDDINGS, held_out())
    lists = judged.result.recommended[:, :10].tolist()
    assert lists == [
        list(range(1, 11)),
        [0, *range(5, 14)],
        [*range(5), *range(9, 14)],
    ]
    assert judged.means["coverage@10"] == 14 / 30
    # Whoever is shown: item 0 twice, 1 to 10 twice, 9 and 10 three times, 11 to 13 twice.
    shown = np.array([2] * 9 + [3, 3] + [2] * 3 + [0] * 16)
    differences = np.abs(shown[:, None] - shown).mean()
    assert judged.means["gini@10"] == pytest.approx(differences / (2 * shown.mean()))
    assert judged.means["intra_list_diversity@10"] == pytest.approx(1 + 1 / 29)  # any two items
    assert judged.means["novelty@10"] == pytest.approx(np.log2(3))  # nobody's item counts as one's


def test_exposure_is_that_of_the_lists() -> None:
    """Nine items were taken once each, which is torso; of 30 places 20 are theirs."""
    found = {one.group: one for one in judge(MODEL, EMBEDDINGS, held_out()).exposure}
    assert found.keys() == {"new", "torso"}
    assert (found["torso"].items, found["torso"].trained) == (9, 1)
    assert found["torso"].taken == 2 / 4  # items 0 and 1, not 25 and 29
    of_torso = 8 + (1 + 4) + 5  # items 1 to 8; 0 and 5 to 8; 0 to 4
    assert found["torso"].recommended == of_torso / 30
    assert found["new"].recommended == pytest.approx(1 - of_torso / 30)


def test_what_cannot_be_served_is_recommended_to_nobody() -> None:
    judged = judge(MODEL, EMBEDDINGS, held_out(), np.array([0, 1]))
    assert not np.isin(judged.result.recommended, [0, 1]).any()
    assert judged.per_user["recall@50"].tolist() == [0, 1 / 2, 1]


def test_a_catalogue_smaller_than_every_cutoff_is_judged_whole() -> None:
    data = dataset([(0, 0, TRAIN), (0, 2, TEST)], 3)
    popularity = np.array([1, 0, 0])
    groups = PopularityGroups.of(popularity)
    test = HeldOut(data, torch.eye(3), task(data, TEST), popularity, num_trained=1, groups=groups)
    means = judge(Told([[9, 2, 1]]), torch.eye(3), test).means
    assert (means["recall@1"], means["recall@50"]) == (0, 1)
    assert means["ndcg@10"] == 1 / np.log2(3)
    assert means["coverage@10"] == 2 / 3


def test_slices_have_both_models_on_the_same_users() -> None:
    test = held_out()
    other = Told(np.zeros((3, NUM_ITEMS)))
    own, champion = judge(MODEL, EMBEDDINGS, test), judge(other, EMBEDDINGS, test)
    found = slice_all(test, own, champion)
    cold, few = found["history: cold"], found["history: few-shot"]
    assert (cold.users, cold.metrics["ndcg@10"]) == (1, 1)  # item 0 is hidden, so 1 comes first
    assert (few.users, few.metrics["recall@10"]) == (2, (1 / 2 + 0) / 2)
    assert few.description == "2 to 5 before"
    assert cold.champion is not None
    assert cold.champion["ndcg@10"] == 0  # all is tied
    assert cold.change is not None
    assert cold.change.change is None
    new, torso = found["popularity: new"], found["popularity: torso"]
    assert (new.users, new.metrics["recall@10"]) == (2, 0)  # users 1 and 2: items 29 and 25
    assert (torso.users, torso.metrics["recall@10"]) == (2, 1)  # users 0 and 1 each find theirs
    assert (cold.interval.low, cold.interval.high) == (1, 1)


def test_slices_without_a_champion_say_so() -> None:
    test = held_out()
    found = slice_all(test, judge(MODEL, EMBEDDINGS, test), None)
    assert {(part.champion, part.change) for part in found.values()} == {(None, None)}


def test_slices_without_anybody_are_left_out() -> None:
    test = held_out()
    found = slice_all(test, judge(MODEL, EMBEDDINGS, test), None)
    assert "history: medium" not in found
    assert "popularity: head" not in found


@pytest.mark.parametrize("hide_history", [True, False])
@pytest.mark.parametrize("negatives", [0, 12])
def test_what_was_seen_stays_hidden_when_the_model_may_know_less(
    hide_history: bool, negatives: int
) -> None:
    """Popularity does not look at histories at all."""
    test = held_out(hide_history=hide_history, negatives=negatives)
    whole = judge(MODEL, EMBEDDINGS, test).means
    found = dict(as_if_new(test, MODEL, EMBEDDINGS))
    assert list(found) == [f"as if new: last {length}" for length in (1, 2, 3)]
    for part in found.values():
        assert part.users == 3
        assert part.metrics == {f"{name}@10": whole[f"{name}@10"] for name in METRICS}
        assert (part.champion, part.change) == (None, None)


def test_strangers_are_known_by_their_last_items_alone() -> None:
    asked: list[tuple[list[list[int]], object]] = []

    class Asked(Popularity):
        def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
            lists = [histories[row].tolist() for row in range(len(histories))]
            asked.append((lists, histories.user_index))
            return super().user_vectors(histories, embeddings)

    found = list(as_if_new(held_out(), Asked(MODEL.counts), EMBEDDINGS))
    assert asked == [
        ([[0], [4], [8]], None),
        ([[0], [3, 4], [7, 8]], None),
        ([[0], [2, 3, 4], [6, 7, 8]], None),
    ]
    assert found[1][1].description == "everybody, as if only the last 2 were known"


def test_novelty_is_told_by_the_users_of_training_alone() -> None:
    """Both of them took item 0; users 2 and 3 are there for the test only."""
    data = dataset([(0, 0, TRAIN), (1, 0, TRAIN), (1, 1, TRAIN), (2, 0, TEST), (3, 1, TEST)], 3)
    test = of_data(data)
    assert (test.num_trained, data.num_users) == (2, 4)
    told = Told([[3, 2, 1]] * 4)
    known = judge(told, torch.eye(3), test, unranked=np.array([1, 2]))
    assert known.per_user["novelty@10"].tolist() == [0, 0]
    both = judge(told, torch.eye(3), test, unranked=np.array([2]))
    assert both.per_user["novelty@10"].tolist() == [1 / 2, 1 / 2]  # 0 of 2 / 2, 1 of 1 / 2


def test_popularity_counts_users_not_what_they_did_again() -> None:
    """With repeats=all; users 3 and 4 are not in training."""
    data = dataset(
        [
            *[(0, 0, TRAIN)] * 3,
            (0, 1, TRAIN),
            (1, 0, TRAIN),
            (1, 2, VALIDATION),
            *[(2, 1, TRAIN)] * 2,
            (2, 0, TEST),
            (3, 0, TEST),
            (4, 2, VALIDATION),
        ],
        4,
    )
    found = HeldOut.of(data, torch.eye(4), task(data, TEST))
    assert found.popularity.tolist() == [2, 2, 0, 0]
    assert found.num_trained == 3
