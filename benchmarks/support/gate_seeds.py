"""A recipe with one seed: what the gate would be told of it, user by user.

python -m benchmarks.support.gate_seeds <Dataset> <ItemEmbeddings> <recipe> <seed> <npz>

The file gets the primary metric of each test user, and the users and values of each slice.
"""

import sys
from pathlib import Path

import numpy as np

from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.evaluation.assessment import HeldOut, judge
from towerflow.evaluation.protocol import PRIMARY_METRIC, task
from towerflow.evaluation.slices import find_slices, measure_slice
from towerflow.interactions.dataset import Dataset
from towerflow.recipes import load_recipe
from towerflow.schema import Split
from towerflow.training.fit import Fitting, fit


def main(dataset: str, item_embeddings: str, recipe: str, seed: str, file: str) -> None:
    """Train, measure, write; what is there already stays."""
    if Path(file).exists():
        print("{}")
        return
    data = Dataset.open(Path(dataset))
    content = ItemEmbeddings.open_for(Path(item_embeddings), data.content_hash, data.num_items)
    posed = task(data, Split.TEST)
    test = HeldOut.of(data, content.embeddings, posed)
    model, _ = fit(load_recipe(recipe).with_seed(int(seed)), Fitting(data, content.embeddings))
    judged = judge(model, content.embeddings, test)
    arrays = {"all": judged.primary}
    for part in find_slices(data, posed, test.groups):
        found = measure_slice(part, posed, judged.result)
        arrays[f"{part.name} users"] = found.users
        arrays[part.name] = found.per_user[PRIMARY_METRIC]
    np.savez(file, **arrays)
    print("{}")


if __name__ == "__main__":
    main(*sys.argv[1:])
