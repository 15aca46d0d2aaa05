"""One recipe on one Dataset with one seed: what validation, test and rare items give.

python -m benchmarks.support.train_recipe <Dataset> <ItemEmbeddings> <recipe> <seed> [<npz>]

The last file, if given, gets the metrics of each test user, for paired tests.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.evaluation.protocol import Task, evaluate_model, measure, task
from towerflow.interactions.dataset import Dataset
from towerflow.recipes import Recipe, load_recipe
from towerflow.schema import Split
from towerflow.training.fit import Fitting, fit
from towerflow.training.graph_config import GraphTrainingConfig

CUTOFFS = (10,)
RARE = 5  # training interactions of an item, at most


def main(dataset: str, item_embeddings: str, recipe: str, seed: str, per_user: str = "") -> None:
    """Print the figures as JSON."""
    data = Dataset.open(Path(dataset))
    content = ItemEmbeddings.open_for(Path(item_embeddings), data.content_hash, data.num_items)
    chosen = load_recipe(recipe).with_seed(int(seed))
    started = time.monotonic()
    model, curves = fit(chosen, Fitting(data, content.embeddings))
    seconds = time.monotonic() - started
    test = test_of(data, chosen)
    result = evaluate_model(model, content.embeddings, test, CUTOFFS)
    counts = np.bincount(data.lists(Split.TRAIN).items, minlength=data.num_items)
    rare = test.relevant.where(counts[test.relevant.items] <= RARE)
    users = np.flatnonzero(rare.lengths)
    rare_metrics = measure(result.recommended[users], rare.take(users), CUTOFFS)
    found = {
        **result.means(),
        "rare_recall@10": float(rare_metrics["recall@10"].mean()),
        "rare_users": len(users),
        "validation ndcg@10": evaluate_model(
            model, content.embeddings, task(data, Split.VALIDATION), CUTOFFS
        ).means()["ndcg@10"],
        "epochs": {name: len(curve) for name, curve in curves.items()},
        "seconds": seconds,
    }
    if per_user:
        np.savez(per_user, users=test.users, **result.per_user)
    print(json.dumps(found))


def test_of(data: Dataset, recipe: Recipe) -> Task:
    """The test; recipes of LLMInit's code rank the history too, and know no more than that."""
    training = recipe.training
    if not isinstance(training, GraphTrainingConfig) or training.hide_history:
        return task(data, Split.TEST)
    test = task(data, Split.TEST, hide_history=False)
    return replace(test, histories=data.lists(Split.TRAIN).take(test.users))


if __name__ == "__main__":
    main(*sys.argv[1:])
