"""Files with one thing wrong: a clear sentence or every row accounted for, nothing good lost."""

from pathlib import Path

import pytest

from benchmarks.support.fuzz import read_mutated
from benchmarks.support.mutations import mutate


@pytest.mark.parametrize("first", range(0, 300, 50))
def test_no_good_row_is_lost_to_a_bad_one(tmp_path: Path, first: int) -> None:
    for seed in range(first, first + 50):
        assert read_mutated(mutate(seed), tmp_path) in ("read", "refused")
