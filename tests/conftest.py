"""Shared by all tests: a small shop whose data can be read by eye, a tiny LLM, a whole run."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from towerflow.steps.embed_items import embed_items
from towerflow.steps.evaluate import evaluate
from towerflow.steps.export_index import export_index
from towerflow.steps.gate import gate
from towerflow.steps.merge_embeddings import merge_embeddings
from towerflow.steps.preprocess import preprocess
from towerflow.steps.publish import publish
from towerflow.steps.train import train

# Nothing is chosen by what whoever runs the tests has set; an image to test is asked for.
for _name in [name for name in os.environ if name.startswith("TOWERFLOW_")]:
    if _name != "TOWERFLOW_TEST_IMAGE":
        del os.environ[_name]

# Consoles take these when they are made, for good; pytest's workers set the first themselves.
for _name in (
    "COLUMNS",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "NO_COLOR",
    "PY_COLORS",
    "TERMINAL_WIDTH",
):
    os.environ.pop(_name, None)

# Servers of the tests are on this machine, which no proxy reaches.
for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, [os.environ.get(_name), "127.0.0.1", "localhost"]))

# Repeatable; and a slow or busy machine is not a failure of the code: the first use of text alone
# builds a table of all characters, which takes seconds on a fresh clone.
settings.register_profile(
    "towerflow", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("towerflow")

SHOP = Path(__file__).parent / "data" / "shop"
SMALL_RECIPE = """
description: LEARN, small enough for a test.
model: {kind: learn, width: 16, num_layers: 1, num_heads: 2, feedforward: 32, dim: 8}
training: {epochs: 60, patience: 60, batch_size: 16, learning_rate: 0.005}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip GPU tests where there is no GPU, with the reason."""
    if not torch.cuda.is_available():
        for item in items:
            if "gpu" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs a CUDA device, there is none here"))


# What `preprocess` does if nobody says otherwise, but for LEARN's labels: they are easy to see.
PREPROCESS: dict[str, Any] = {
    "data_version": "1",
    "num_shards": 1,
    "preset": "",
    "columns": [],
    "item_template": "learn",
    "slice_columns": [],
    "min_rating": 0.0,
    "repeats": "first",
    "bot_quantile": 1.0,
    "max_history": 0,
    "min_user_interactions": 3,
    "min_item_interactions": 1,
    "catalogue": "all",
    "split": "temporal-leave-one-out",
    "split_share": 0.1,
    "few_shot": "none",
    "split_seed": 0,
    "previous_dataset": "",
    "max_rejected_share": 0.05,
    "unknown_items": "error",
    "beam_runner": "DirectRunner",
    "beam_options": [],
}


# What `embed_items` does if nobody says otherwise; float32, to compare with.
EMBED_ITEMS: dict[str, Any] = {
    "encoder_fingerprint": "",
    "pooling": "",
    "layer": -1,
    "prompt": "",
    "l2": "",
    "max_tokens": 64,
    "precision": "float32",
}


# What `gate` does if nobody says otherwise.
GATE: dict[str, Any] = {
    "margin": 0.05,
    "guarded_slices": ["history: cold", "history: few-shot", "popularity: new", "popularity: tail"],
    "slice_margin": 0.1,
    "coverage_margin": 0.25,
    "force": "",
}


# What `export_index` does if nobody says otherwise.
EXPORT_INDEX: dict[str, Any] = {
    "index_kind": "auto",
    "recall_target": 0.99,
    "memory_limit": 0,
    "export_formats": [],
}


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a one-layer Llama with random weights that knows the shop's words."""
    folder = tmp_path_factory.mktemp("tiny-encoder")
    words = sorted(set(re.findall(r"\w+|[^\w\s]+", (SHOP / "items.jsonl").read_text("utf-8"))))
    vocabulary = {word: index for index, word in enumerate(["[UNK]", "[PAD]", *words])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    LlamaModel(config).save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Run:
    """Every artifact of one run over the shop, made by calling the steps one after the other."""

    dataset: Path
    rejected: Path
    item_embeddings: Path
    model: Path
    metrics: Path
    report: Path
    decision: Path
    index: Path
    release_root: Path
    release_id: str


@pytest.fixture(scope="session")
def shop_run(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The retrain pipeline over the shop, without KFP. Read only."""
    root = tmp_path_factory.mktemp("shop-run")
    dataset, rejected = root / "dataset", root / "rejected"
    shards = preprocess(
        **PREPROCESS
        | {
            "items": str(SHOP / "items.jsonl"),
            "interactions": str(SHOP / "interactions.csv"),
            "num_shards": 2,
            "dataset": dataset,
            "rejected": rejected,
            "counts": root / "counts.json",
        }
    )
    for shard in shards:
        embed_items(
            dataset=dataset,
            encoder=str(tiny_encoder),
            embedding_store=str(root / "store"),
            shard=shard,
            num_shards=2,
            item_embeddings=root / f"shard-{shard}",
            counts=root / f"counts-{shard}.json",
            **EMBED_ITEMS,
        )
    run = Run(
        dataset=dataset,
        rejected=rejected,
        item_embeddings=root / "item_embeddings",
        model=root / "model",
        metrics=root / "metrics",
        report=root / "report",
        decision=root / "decision",
        index=root / "index",
        release_root=root / "releases",
        release_id="",
    )
    merge_embeddings(
        [root / f"shard-{shard}" for shard in shards], run.item_embeddings, root / "merged.json"
    )
    train(dataset, run.item_embeddings, SMALL_RECIPE, -1, "", "", run.model)
    evaluate(dataset, run.item_embeddings, run.model, run.metrics, run.report)
    opened = gate(
        run.metrics,
        str(run.release_root),
        decision=run.decision,
        summary=root / "summary.md",
        **GATE,
    )
    assert opened == "open"
    export_index(
        dataset,
        run.item_embeddings,
        run.model,
        index=run.index,
        summary=root / "index.md",
        **EXPORT_INDEX,
    )
    release_id = publish(run.index, run.metrics, run.decision, str(run.release_root))
    return Run(**{**run.__dict__, "release_id": release_id})
