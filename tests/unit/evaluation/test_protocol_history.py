"""Ranking with and without what users have taken already."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import Run
from towerflow.evaluation.protocol import Task, evaluate_model, task
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.models.popularity import Popularity
from towerflow.schema import Split


@pytest.mark.parametrize("split", [Split.VALIDATION, Split.TEST])
def test_hidden_or_not_the_model_knows_the_same(shop_run: Run, split: Split) -> None:
    data = Dataset.open(shop_run.dataset)
    hidden, shown = (task(data, split, hide_history=hide) for hide in (True, False))
    assert hidden.users.tolist() == shown.users.tolist()
    for name in ("histories", "relevant"):
        one, other = getattr(hidden, name), getattr(shown, name)
        assert one.items.tolist() == other.items.tolist()
        assert one.offsets.tolist() == other.offsets.tolist()
    assert hidden.seen is None
    assert shown.seen is not None
    assert shown.seen.lengths.tolist() == [0] * len(shown.users)


def test_it_is_hidden_unless_that_is_declined(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    assert task(data, Split.TEST).seen is None


def test_what_was_taken_is_ranked_again_by_eye() -> None:
    """Item 0 is the most popular; both users have taken it."""
    model = Popularity(torch.tensor([4.0, 3.0, 2.0, 1.0]))
    histories, relevant = ItemLists.from_lists([[0], [0, 1]]), ItemLists.from_lists([[1], [3]])
    hidden = Task(np.array([0, 1]), histories, relevant)
    shown = replace(hidden, seen=histories.last(0))
    found = [evaluate_model(model, torch.zeros(4, 1), one, (2,)) for one in (hidden, shown)]
    assert found[0].recommended.tolist() == [[1, 2], [2, 3]]
    assert found[1].recommended.tolist() == [[0, 1], [0, 1]]
    assert [one.per_user["recall@2"].tolist() for one in found] == [[1, 1], [1, 0]]


def test_everybody_is_ranked_the_whole_catalogue_of_the_shop(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    shown = task(data, Split.TEST, hide_history=False)
    model = Popularity.fit(data.lists(Split.TRAIN), data.num_items)
    found = evaluate_model(model, torch.zeros(data.num_items, 1), shown, (50,)).recommended
    assert (np.sort(found, axis=1) == np.arange(50)).all()
    counts = model.counts.numpy()[found]  # of equally popular ones, what is to be found comes last
    assert (counts == counts[0]).all()
    assert (np.diff(counts[0]) <= 0).all()
