"""SIGKILL at random moments: nothing is lost, doubled or half-read, and the run goes on."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.unit.embedding.test_store import open_store
from towerflow.embedding import store_care
from towerflow.embedding.store import text_keys

NUM_TEXTS = 120
KILLS = 8
SCRIPT = """
import sys, time
from pathlib import Path
from tests.unit.embedding.test_kill import TEXTS
from tests.unit.embedding.test_store import open_store
from towerflow.embedding import engine
from towerflow.embedding.batches import BatchBudget
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.settings import EncoderSettings
from towerflow.embedding.store import text_keys

class Slow(FrozenEncoder):
    def encode(self, texts):
        time.sleep(0.02)
        return super().encode(texts)

engine.MIN_PART_SECONDS = 0.05
encoder, store = Path(sys.argv[1]), open_store(Path(sys.argv[2]))
keys = text_keys(TEXTS)
missing = (~store.locate(keys).is_stored).nonzero()[0]
unread = engine.Unread(keys, TEXTS, TEXTS, 3).take(missing)
settings = EncoderSettings(max_tokens=64, precision=sys.argv[3])
slow = Slow(encoder, settings)
print("begin", flush=True)
engine.embed(unread, slow, store, BatchBudget(24, grows=False))
"""
TEXTS = [f"Yoga mat {'Kite ' * (number % 13)}{number}" for number in range(NUM_TEXTS)]


def start(encoder: Path, store: Path, precision: str) -> subprocess.Popen[str]:
    """Embed in a process of its own; returns when it has begun."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(encoder), str(store), precision],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    return process


def content(root: Path) -> dict[bytes, bytes]:
    """Embedding of each key, to the bit; every part must be whole."""
    store = open_store(root)
    assert store_care.verify(store) == []
    keys = text_keys(TEXTS)
    found: dict[bytes, bytes] = {}
    for positions, rows in store.fetch(keys):
        for position, row in zip(positions, rows, strict=True):
            found[keys[int(position)].as_py()] = row.tobytes()
    return found


def parts(folder: Path) -> set[Path]:
    """Those of the store that is killed."""
    return set((folder / "killed").rglob("*.parquet"))


def test_what_was_killed_again_and_again_ends_like_what_was_not(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    precision = "float32"
    assert start(tiny_encoder, tmp_path / "whole", precision).wait() == 0
    source, stored = random.Random(0), [0]
    for number in range(KILLS):
        process, before = start(tiny_encoder, tmp_path / "killed", precision), parts(tmp_path)
        # However slow the machine: some kills come after something was stored.
        while number % 2 and parts(tmp_path) == before and process.poll() is None:
            time.sleep(0.01)
        time.sleep(source.uniform(0.0, 0.7))
        process.send_signal(signal.SIGKILL)
        process.wait()
        stored.append(len(content(tmp_path / "killed")))
    assert stored == sorted(stored), "what is stored stays"
    assert stored[-1] > 0, "the kills came too early to tell anything"
    assert start(tiny_encoder, tmp_path / "killed", precision).wait() == 0
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
    assert len(content(tmp_path / "killed")) == NUM_TEXTS
    rows = sum(len(keys) for keys in open_store(tmp_path / "killed").key_columns()[1])
    assert rows == NUM_TEXTS, "no text twice"
