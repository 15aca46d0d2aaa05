"""`preprocess` as a command: raw items and interactions in, the Dataset's content hash out."""

import json
import sys
from pathlib import Path

from towerflow.steps.preprocess import preprocess
from towerflow.storage.artifact import read_manifest


def main(items: str, interactions: str, target: str, *beam_options: str) -> None:
    """5-core, temporal leave-one-out."""
    out = Path(target)
    preprocess(
        items=items,
        interactions=interactions,
        data_version="bench",
        num_shards=1,
        preset="",
        columns=[],
        item_template="plain",
        slice_columns=[],
        min_rating=0.0,
        repeats="first",
        bot_quantile=1.0,
        max_history=0,
        min_user_interactions=5,
        min_item_interactions=5,
        catalogue="all",
        split="temporal-leave-one-out",
        split_share=0.1,
        few_shot="none",
        split_seed=0,
        previous_dataset="",
        max_rejected_share=0.05,
        unknown_items="error",
        beam_runner="DirectRunner",
        beam_options=list(beam_options),
        dataset=out / "dataset",
        rejected=out / "rejected",
        counts=out / "counts.json",
    )
    manifest = read_manifest(out / "dataset")
    print(json.dumps({"hash": manifest.content_hash, "counts": manifest.counts}))


if __name__ == "__main__":
    main(*sys.argv[1:])
