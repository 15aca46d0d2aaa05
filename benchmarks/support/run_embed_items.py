"""The step `embed_items` as a process that can be killed.

python -m benchmarks.support.run_embed_items <Dataset> <model folder> <folder>
"""

import sys
from pathlib import Path

from towerflow.steps.embed_items import embed_items

SETTINGS = {
    "encoder_fingerprint": "",
    "pooling": "",
    "layer": -1,
    "prompt": "",
    "l2": "",
    "max_tokens": 256,
    "precision": "auto",
}


def run(dataset: Path, encoder: str, folder: Path) -> None:
    """All items in one shard; store and artifact below `folder`."""
    embed_items(
        dataset=dataset,
        encoder=encoder,
        embedding_store=str(folder / "store"),
        shard=0,
        num_shards=1,
        item_embeddings=folder / "embeddings",
        counts=folder / "counts.json",
        **SETTINGS,
    )


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
