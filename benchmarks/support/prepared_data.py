"""Datasets with embeddings, made once by the pipeline's own steps and kept below `build/`.

python -m benchmarks.support.prepared_data <folder with items and interactions> <encoder> <folder>
    [<setting of preprocess>=<value> …]
"""

import sys
from pathlib import Path
from typing import Any

from benchmarks.support.run_embed_items import SETTINGS
from towerflow.steps.embed_items import embed_items
from towerflow.steps.merge_embeddings import merge_embeddings
from towerflow.steps.preprocess import preprocess

# What `towerflow run` does if nobody says otherwise.
PREPROCESS: dict[str, Any] = {
    "data_version": "1",
    "num_shards": 1,
    "preset": "",
    "columns": [],
    "item_template": "plain",
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


def main(source: str, encoder: str, folder: str, *settings: str) -> None:
    """Write `dataset` and `item_embeddings` into `folder`, unless they are there."""
    out = Path(folder)
    whole = out / "item_embeddings"
    if whole.exists():
        return
    preprocess(
        items=f"{source}/items.parquet",
        interactions=f"{source}/interactions.parquet",
        dataset=out / "dataset",
        rejected=out / "rejected",
        counts=out / "counts.json",
        **PREPROCESS | dict(setting.split("=", 1) for setting in settings),
    )
    embed_items(
        dataset=out / "dataset",
        encoder=encoder,
        embedding_store=str(out.parent / "embeddings"),
        shard=0,
        num_shards=1,
        item_embeddings=out / "shard",
        counts=out / "shard.json",
        **SETTINGS | {"pooling": "mean", "l2": "yes", "max_tokens": 256},
    )
    merge_embeddings([out / "shard"], whole, out / "merged.json")


if __name__ == "__main__":
    main(*sys.argv[1:])
