"""Several devices embed into one store, each its share, in a process of its own."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.embedding.test_store import open_store
from towerflow.embedding.engine import Unread
from towerflow.embedding.parallel import embed_on
from towerflow.embedding.settings import EncoderSettings
from towerflow.embedding.store import Floats, text_keys
from towerflow.errors import InputError

TEXTS = [f"Yoga mat {'Kite ' * number}" for number in range(12)]
UNREAD = Unread(text_keys(TEXTS), TEXTS, TEXTS, 1)
SETTINGS = EncoderSettings(max_tokens=64)


def stored(root: Path) -> Floats:
    """Embeddings of all TEXTS."""
    found = np.full((len(TEXTS), 16), np.nan, np.float32)
    for positions, rows in open_store(root).fetch(text_keys(TEXTS)):
        found[positions] = rows
    return found


def test_two_devices_give_what_one_gives(tiny_encoder: Path, tmp_path: Path) -> None:
    one = embed_on(["cpu"], UNREAD, tiny_encoder, SETTINGS, open_store(tmp_path / "1"))
    two = embed_on(["cpu", "cpu"], UNREAD, tiny_encoder, SETTINGS, open_store(tmp_path / "2"))
    assert (two.texts, two.tokens, two.flops) == (one.texts, one.tokens, one.flops)
    assert two.texts == len(TEXTS)
    assert two.seconds > 0
    assert len(open_store(tmp_path / "2").parts()) == 2
    np.testing.assert_allclose(stored(tmp_path / "2"), stored(tmp_path / "1"), atol=1e-5)


def test_a_mistake_found_in_a_process_comes_back_as_its_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a model folder"):
        embed_on(["cpu", "cpu"], UNREAD, tmp_path, SETTINGS, open_store(tmp_path / "store"))
