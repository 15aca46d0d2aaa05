"""The Dataset in memory is the one on disk."""

import numpy as np
import pyarrow as pa

from tests.conftest import Run
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.hashing import hash_ids
from towerflow.schema import Split


def test_indices_mean_what_they_say(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    assert (data.num_items, data.num_users) == (50, 40)
    assert data.item_ids == sorted(data.item_ids)
    assert sorted(data.user_ids) == [f"user{number:02d}" for number in range(1, 41)]
    assert (np.diff(hash_ids(pa.array(data.user_ids)).astype(float)) > 0).all()
    assert data.titles[data.item_ids.index("S41")] == "Yoga mat"


def test_lists_of_all_splits_are_in_time_order(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    everything = data.lists(*Split)
    assert everything.lengths.sum() == 279
    for user in range(data.num_users):
        parts = [data.lists(split)[user] for split in Split]
        assert np.array_equal(np.concatenate(parts), everything[user])
        assert (np.diff(data.timestamp[data.user_index == user]) >= 0).all()
