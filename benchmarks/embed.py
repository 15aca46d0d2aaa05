"""`embed_items` against its bars: speed beside sentence-transformers, kills, memory, news alone.

The peer runs in an environment of its own below `build/`. TOWERFLOW_BENCH_ITEMS names a Parquet
file of items with title, brand, categories and description; without it the texts are made up.
Takes half an hour; needs the package registry.
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.support.datasets import made_up_texts, real_texts, write_dataset
from benchmarks.support.measure import bar, measured, report
from benchmarks.support.run_embed_items import run as run_step
from towerflow.bundled import bundled_encoder, movielens_100k
from towerflow.embedding import parallel
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.settings import EncoderRecord
from towerflow.embedding.store import EmbeddingStore
from towerflow.storage.artifact import read_manifest

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "bench" / "embed"
CACHE = WORK.parent / "cache"
PEER = "sentence-transformers==6.2.0"
ITEMS = os.environ.get("TOWERFLOW_BENCH_ITEMS", "")
MAX_TOKENS = "256"
SAMPLES = {"smollm2-135m": 48, "minilm": 384}  # texts; a quarter of a minute of the peer's
REDUCED = ("bfloat16", "int8")
REPEATS = 3
KILLS, KILLED_ITEMS = 50, 2_000
EPOCHS = "5"  # of LEARN's 20: enough to tell two precisions apart


def run(*command: str, python: str = sys.executable) -> tuple[dict[str, Any], float]:
    """The last line of `python command` as JSON, and its peak memory in GB."""
    _, peak, output = measured([python, *command], ROOT, dict(os.environ))
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found, peak


def peer_python() -> str:
    """The interpreter of an environment with the peer, torch and transformers of our versions."""
    folder = WORK.parent / "sentence-transformers"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt"]
        subprocess.run([*pip, "torch", "transformers", PEER], cwd=ROOT, check=True)
    return str(python)


def encoder_folder(name: str) -> str:
    """Folder of a bundled LLM, downloaded once."""
    folder = bundled_encoder(name, CACHE, print)
    assert folder is not None, name
    return str(folder)


def without_chat(folder: str) -> str:
    """The same model without a chat template, with which the peer would embed a conversation."""
    copy = WORK / f"plain-{Path(folder).name}"
    shutil.copytree(
        folder, copy, ignore=shutil.ignore_patterns("chat_template*"), dirs_exist_ok=True
    )
    return str(copy)


def all_texts() -> list[str]:
    """Item texts, real ones if there are any."""
    if ITEMS:
        return real_texts(Path(ITEMS))
    print("TOWERFLOW_BENCH_ITEMS is not set: the texts are made up")
    return made_up_texts(4_000, (20, 180))


def speed_bars(name: str, texts: list[str]) -> list[dict[str, Any]]:
    """Items a second beside the peer at its best batch size, and beside one text at a time."""
    folder, file = without_chat(encoder_folder(name)), WORK / f"{name}.json"
    sample = random.Random(0).sample(texts, min(SAMPLES[name], len(texts)))  # noqa: S311
    file.write_text(json.dumps(sample), "utf-8")
    peers, singles = [], []
    ours: dict[str, list[dict[str, Any]]] = {}
    script = str(ROOT / "benchmarks" / "peers" / "sentence_transformers_encode.py")
    single = str(ROOT / "benchmarks" / "peers" / "one_at_a_time.py")
    for _ in range(REPEATS):
        arguments = (folder, str(file), MAX_TOKENS)
        found, _ = run(script, *arguments, f"{WORK}/peer.npy", python=peer_python())
        peers.append(found["rates"])
        for precision in ("float32", *REDUCED):
            module = ("-m", "benchmarks.support.embed_texts")
            found, _ = run(*module, *arguments, precision, f"{WORK}/{precision}.npy")
            ours.setdefault(precision, []).append(found)
        found, _ = run(single, *arguments, f"{WORK}/single.npy", python=peer_python())
        singles.append(found["rates"]["1"])
    peer = max(statistics.median(rates[size] for rates in peers) for size in peers[0])
    print(f"{name}, {ours['float32'][0]['tokens']:.0f} tokens a text; peer {peers}")
    rate = {key: statistics.median(one["rate"] for one in runs) for key, runs in ours.items()}
    same = {key: least_cosine(key) for key in rate}
    for key, runs in ours.items():
        shares = [one["flops"] / one["peak"] for one in runs]
        print(
            f"{name} {key}: {rate[key]:.1f} items/s, {rate[key] / peer:.2f}× the peer, "
            f"{statistics.median(shares):.0%} of the peak of "
            f"{max(one['peak'] for one in runs) / 1e9:.0f} GFLOP/s, least cosine {same[key]:.5f}"
        )
    fastest = REDUCED[0]  # int8 is as fast, but costs LEARN's quality: see `quality_bars`
    exact, reduced = rate["float32"] / peer, rate[fastest] / peer
    alone = max(rate.values()) / statistics.median(singles)
    padding = max(one["padding"] for runs in ours.values() for one in runs)
    return [
        bar(f"{name} float32 / peer", exact, "×", ">= 1.25", holds=exact >= 1.25),
        bar(f"{name} float32, least cosine", same["float32"], "", ">= 0.9999",
            holds=same["float32"] >= 0.9999),
        bar(f"{name} {fastest} / peer", reduced, "×", ">= 2", holds=reduced >= 2),
        bar(f"{name} {fastest}, least cosine", same[fastest], "", ">= 0.99",
            holds=same[fastest] >= 0.99),
        bar(f"{name} / one text at a time", alone, "×", ">= 3", holds=alone >= 3),
        bar(f"{name}, padding", padding, "", "<= 0.03", holds=padding <= 0.03),
    ]  # fmt: skip


def least_cosine(precision: str) -> float:
    """The worst text of a precision, against the peer's float32."""
    ours, peer = (np.load(WORK / f"{name}.npy") for name in (precision, "peer"))
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(peer, axis=1)
    return float(((ours * peer).sum(axis=1) / lengths).min())


def news_bars(texts: list[str]) -> list[dict[str, Any]]:
    """1 % of the catalogue changed, then nothing: the step again, in this process."""
    loads: list[float] = []

    class Timed(FrozenEncoder):
        def __init__(self, *arguments: Any) -> None:
            began = time.perf_counter()
            super().__init__(*arguments)
            loads.append(time.perf_counter() - began)

    parallel.FrozenEncoder = Timed  # type: ignore[misc]
    encoder, changed = encoder_folder("minilm"), texts.copy()
    for position in range(0, len(texts), 100):
        changed[position] += " (new edition)"
    for name, content in (("before", texts), ("after", changed)):
        write_dataset(WORK / name, content)
    ratios, needless = [], 0
    for number in range(REPEATS):
        folder, seconds = WORK / f"news-{number}", []
        for dataset in ("before", "after", "after"):
            loads.clear()
            began = time.perf_counter()
            run_step(WORK / dataset, encoder, folder)
            seconds.append(time.perf_counter() - began - sum(loads))
        needless += len(loads)
        ratios.append(seconds[1] / seconds[0])
        print(f"all {seconds[0]:.1f} s, 1 % {seconds[1]:.2f} s, nothing {seconds[2]:.2f} s")
    parallel.FrozenEncoder = FrozenEncoder  # type: ignore[misc]
    ratio = statistics.median(ratios)
    return [
        bar("1 % changed / all, above model load", ratio, "", "<= 0.05", holds=ratio <= 0.05),
        bar("model loads where nothing changed", needless, "", "== 0", holds=needless == 0),
    ]


def kill_bars(texts: list[str]) -> list[dict[str, Any]]:
    """SIGKILL at random moments of the step; then what is stored, to the bit."""
    encoder, lives = encoder_folder("minilm"), random.Random(0)  # noqa: S311
    write_dataset(WORK / "killed", texts[:KILLED_ITEMS])
    command = [sys.executable, "-m", "benchmarks.support.run_embed_items", str(WORK / "killed")]

    def start(folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, encoder, str(folder)], cwd=ROOT, text=True, stdout=subprocess.PIPE
        )

    began = time.monotonic()
    whole = start(WORK / "whole")
    output, _ = whole.communicate()
    assert whole.returncode == 0, output
    # Beyond the start of the interpreter and of the model, which every life has to get through.
    start_up = time.monotonic() - began - step_seconds(WORK / "whole")
    kills, rounds, different = 0, 0, 0
    while kills < KILLS:
        folder = WORK / f"killed-{rounds}"
        while True:
            process = start(folder)
            try:
                process.communicate(timeout=start_up * lives.uniform(0.5, 1) + lives.uniform(0, 5))
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
        assert process.returncode == 0, "what goes on after kills ends well"
        rounds += 1
        different += stored(folder) != stored(WORK / "whole")
    print(f"{kills} kills over {rounds} runs of {start_up:.1f} s to start and "
          f"{step_seconds(WORK / 'whole'):.1f} s to embed")  # fmt: skip
    return [
        bar(f"of {rounds} runs killed {kills} times, different", different, "", "== 0",
            holds=different == 0),
    ]  # fmt: skip


def step_seconds(folder: Path) -> float:
    """How long the batches of an uninterrupted run took."""
    took = read_manifest(folder / "embeddings").details["took"]
    assert isinstance(took, dict)
    return float(str(took["seconds"]))


def stored(folder: Path) -> tuple[int, str, dict[bytes, bytes]]:
    """Rows of the store, hash of the artifact, and each embedding by key, to the bit."""
    made = read_manifest(folder / "embeddings")
    store = EmbeddingStore(f"{folder}/store", EncoderRecord.of(folder, made.details))
    columns = store.key_columns()[1]
    found = {}
    for keys in columns:
        for positions, rows in store.fetch(keys):
            for position, row in zip(positions, rows, strict=True):
                found[keys[int(position)].as_py()] = row.tobytes()
    return sum(map(len, columns)), made.content_hash, found


def million_bars() -> list[dict[str, Any]]:
    """A million texts and an LLM that pretends: memory, and a look-up of all keys."""
    write_dataset(WORK / "million", made_up_texts(1_000_000, (10, 25)))
    module = ("-m", "benchmarks.support.embed_million", str(WORK / "million"))
    found, peak = run(*module, encoder_folder("minilm"), str(WORK / "million-out"))
    print(f"a million items in {found['seconds']:.0f} s")
    return [
        bar("1 M items, peak memory", peak, "GB", "<= 4", holds=peak <= 4),
        bar("look-up of 1 M keys", found["lookup"], "s", "<= 5", holds=found["lookup"] <= 5),
    ]


def quality_bars() -> list[dict[str, Any]]:
    """LEARN's NDCG@10 from reduced precision against float32, seed by seed."""
    raw = map(str, movielens_100k(CACHE, print))
    run("-m", "benchmarks.support.run_preprocess", *raw, str(WORK / "ml-100k"))
    module = ("-m", "benchmarks.support.learn_quality", str(WORK / "ml-100k" / "dataset"))
    encoder = encoder_folder("smollm2-135m")
    found, _ = run(*module, encoder, str(WORK / "quality"), EPOCHS, "float32", *REDUCED)
    exact, bars = found["float32"], []
    noise = statistics.stdev(exact)
    print(f"NDCG@10 by seed: {found}; noise between seeds {noise:.4f}")
    for precision in REDUCED:
        gained = statistics.mean(found[precision]) - statistics.mean(exact)
        print(f"{precision} - float32: {gained:.4f}")
        if precision != REDUCED[0]:
            continue
        bars.append(
            bar(f"LEARN's NDCG@10, {precision} - float32", gained, "", f">= -{noise:.4f}",
                holds=gained >= -noise)
        )  # fmt: skip
    return bars


def main() -> None:
    """All bars."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    texts = all_texts()
    bars = [each for name in SAMPLES for each in speed_bars(name, texts)]
    bars += news_bars(texts)
    bars += kill_bars(texts)
    bars += million_bars()
    bars += quality_bars()
    report("embed", bars)


if __name__ == "__main__":
    main()
