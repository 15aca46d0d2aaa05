"""LEARN from embeddings of several precisions of one LLM: test NDCG@10 by precision and seed.

python -m benchmarks.support.learn_quality <Dataset> <model folder> <folder> <epochs> <precisions>
"""

import json
import sys
from pathlib import Path

import torch

from benchmarks.support.run_embed_items import SETTINGS
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.evaluation.protocol import evaluate_model, task
from towerflow.interactions.dataset import Dataset
from towerflow.recipes import load_recipe
from towerflow.schema import Split
from towerflow.steps.embed_items import embed_items
from towerflow.training.fit import Fitting, fit

SEEDS = range(3)


def ndcg(data: Dataset, embeddings: torch.Tensor, epochs: int, seed: int) -> float:
    """Test NDCG@10 of the recipe `learn-content`, trained for so long."""
    recipe = load_recipe("learn-content")
    training = recipe.training.model_copy(update={"epochs": epochs, "seed": seed})
    chosen = recipe.model_copy(update={"training": training})
    model, _ = fit(chosen, Fitting(data, embeddings))
    with torch.inference_mode():
        return evaluate_model(model, embeddings, task(data, Split.TEST), (10,)).means()["ndcg@10"]


def main(dataset: str, encoder: str, folder: str, epochs: str, *precisions: str) -> None:
    """Print the figures as JSON."""
    data, found = Dataset.open(Path(dataset)), {}
    for precision in precisions:
        out = Path(folder) / precision
        embed_items(
            dataset=Path(dataset),
            encoder=encoder,
            embedding_store=str(Path(folder) / "store"),
            shard=0,
            num_shards=1,
            item_embeddings=out,
            counts=Path(folder) / "counts.json",
            **SETTINGS | {"precision": precision},
        )
        embeddings = ItemEmbeddings.open_for(out, data.content_hash, data.num_items).embeddings
        found[precision] = [ndcg(data, embeddings, int(epochs), seed) for seed in SEEDS]
        print(f"{precision}: {found[precision]}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
