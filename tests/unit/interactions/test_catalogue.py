"""What workers know of the items."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from towerflow.interactions.catalogue import read_catalogue, write_catalogue
from towerflow.interactions.hashing import hash_ids


def test_items_that_stay_are_numbered_anew(tmp_path: Path) -> None:
    ids = pa.array(["a", "b", "c", "d"])
    alive, kept = np.array([True, False, False, True]), np.array([True, False, True, True])
    write_catalogue(str(tmp_path / "x"), ids, alive, kept)
    found = read_catalogue(str(tmp_path / "x"))
    assert found.alive.tolist() == alive.tolist()
    assert found.position.tolist() == [0, -1, 1, 2]
    assert found.item_hash.tolist() == hash_ids(ids).tolist()
