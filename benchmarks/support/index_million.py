"""Artifacts of a shop with a million items, made up: vectors in clusters, users who like some.

python -m benchmarks.support.index_million <items> <dim> <users> <folder>

Writes a Dataset, ItemEmbeddings and a content-mean model: its item vectors are the embeddings.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from towerflow.embedding.item_embeddings import write_embeddings
from towerflow.embedding.settings import EncoderRecord, EncoderSettings
from towerflow.interactions.dataset import INTERACTIONS_FILE, ITEMS_FILE
from towerflow.interactions.splits import SplitConfig
from towerflow.interactions.trained_on import TrainedOn
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.files import save_model
from towerflow.schema import INTERACTIONS_SCHEMA, ITEMS_SCHEMA, ArtifactKind, Split
from towerflow.storage.artifact import new_artifact, open_artifact

CLUSTERS = 2000
SPREAD = 0.7  # of an item around its cluster's centre, beside centres of spread 1
HISTORY = 8
ENCODER = EncoderRecord(
    fingerprint="0" * 32, name="made-up", revision="0" * 32, settings=EncoderSettings()
)


def main(items: str, dim: str, users: str, folder: str) -> None:
    """Write the three artifacts."""
    num_items, num_users, root = int(items), int(users), Path(folder)
    rng = np.random.default_rng(0)
    cluster = rng.choice(CLUSTERS, num_items, p=rng.dirichlet(np.full(CLUSTERS, 0.5)))
    centres = rng.standard_normal((CLUSTERS, int(dim)), dtype=np.float32)
    noise = rng.standard_normal((num_items, int(dim)), dtype=np.float32)
    embeddings = torch.nn.functional.normalize(torch.from_numpy(centres[cluster] + SPREAD * noise))
    item_ids = [f"i{item:08}" for item in range(num_items)]
    write_dataset(root / "dataset", item_ids, cluster, num_users, rng)
    data_hash = open_artifact(root / "dataset", ArtifactKind.DATASET).content_hash
    with new_artifact(root / "embeddings", ArtifactKind.ITEM_EMBEDDINGS, "benchmark") as draft:
        write_embeddings(draft.folder, torch.arange(num_items), embeddings)
        draft.details, draft.inputs = ENCODER.as_details(), {"dataset": data_hash}
    with new_artifact(root / "model", ArtifactKind.RETRIEVAL_MODEL, "benchmark") as draft:
        model = ContentMean.fit(embeddings, ContentMeanConfig(standardise=False))
        save_model(model, item_ids, draft.folder)
        trained_on = TrainedOn(dataset=data_hash, split=SplitConfig(), made={})
        draft.details = {**ENCODER.as_details(), **trained_on.as_details()}
    print(json.dumps({"items": num_items}))


def write_dataset(
    path: Path,
    item_ids: list[str],
    cluster: NDArray[np.int64],
    num_users: int,
    rng: np.random.Generator,
) -> None:
    """Users each of whom took some items of one cluster, and one of another."""
    order = np.argsort(cluster, kind="stable")
    start = rng.integers(0, len(order) - HISTORY, num_users)
    taken = order[start[:, None] + np.arange(HISTORY)]
    taken[:, -1] = rng.integers(0, len(order), num_users)
    user = np.repeat(np.arange(num_users), HISTORY)
    with new_artifact(path, ArtifactKind.DATASET, "benchmark") as draft:
        titles = pa.array(item_ids)
        columns = [pa.array(np.arange(len(item_ids))), titles, titles, titles]
        pq.write_table(pa.table(columns, ITEMS_SCHEMA), draft.folder / ITEMS_FILE)
        events = [
            pa.array(user),
            pa.array([f"u{one:07}" for one in user]),
            pa.array(taken.ravel()),
            pa.array(np.tile(np.arange(HISTORY, dtype=np.float64), num_users)),
            pa.array([Split.TRAIN.value] * len(user)),
        ]
        pq.write_table(pa.table(events, INTERACTIONS_SCHEMA), draft.folder / INTERACTIONS_FILE)


if __name__ == "__main__":
    main(*sys.argv[1:])
