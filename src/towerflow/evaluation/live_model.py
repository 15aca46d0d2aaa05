"""The champion: the model of the live release, made ready for today's test."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from towerflow.embedding.item_embeddings import (
    EMBEDDINGS_FILE,
    ItemEmbeddings,
    read_embeddings,
)
from towerflow.embedding.settings import EncoderRecord
from towerflow.interactions.dataset import ITEMS_FILE, Dataset
from towerflow.interactions.histories import IntArray
from towerflow.interactions.trained_on import TRAINED_ON, TrainedOn
from towerflow.models.files import load_model_for
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.retrieval.release import MODEL_FOLDER
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import ITEM_ID, ArtifactKind, Manifest
from towerflow.storage.artifact import local_artifact


@dataclass(frozen=True)
class LiveModel:
    """The champion over the catalogue of a Dataset.

    Attributes:
        release: id of the release.
        model: re-indexed for the Dataset's items and users.
        embeddings: `[num_items, embedding_dim]` of the encoder that it was trained with.
        unranked: item indices that it has no embedding of.
        not_comparable: why its figures can't stand beside the challenger's; empty if they can.
    """

    release: str
    model: RetrievalModel
    embeddings: Tensor
    unranked: IntArray
    not_comparable: str


def live_model(release_root: str, data: Dataset, content: ItemEmbeddings) -> LiveModel | None:
    """The model that is live at `release_root`, or None before the first publish.

    Items are read anew by the encoder that it was trained with, if that is today's. If not, the
    release's own embeddings serve, and items that it has none of are not ranked: nor are they by
    the release.

    Raises:
        InputError: the release is damaged, or an older version made it.
    """
    root = ReleaseRoot(release_root)
    release = root.current()
    if release is None:
        return None
    source, manifest = root.folder(release), root.manifest(release)
    encoder = EncoderRecord.of(source, manifest.details)
    embeddings, unranked = content.embeddings, np.empty(0, dtype=np.int64)
    read_anew = encoder.fingerprint == content.encoder.fingerprint
    with local_artifact(source, ArtifactKind.RELEASE, _needed(manifest, read_anew)) as folder:
        if not read_anew:
            embeddings, unranked = _own_embeddings(folder, data)
        model = load_model_for(folder / MODEL_FOLDER, data.item_ids, data.user_ids)
    return LiveModel(
        release=release,
        model=model,
        embeddings=embeddings,
        unranked=unranked,
        not_comparable=_not_comparable(source, manifest, data),
    )


def _needed(manifest: Manifest, read_anew: bool) -> list[str]:
    """The model alone if it reads today's embeddings: those of a release are large."""
    own = () if read_anew else (ITEMS_FILE, EMBEDDINGS_FILE)
    return [name for name in manifest.files if name.startswith(f"{MODEL_FOLDER}/") or name in own]


def _not_comparable(source: str, manifest: Manifest, data: Dataset) -> str:
    if TRAINED_ON not in manifest.details:
        return "it does not say what on, since an older version made it"
    return TrainedOn.of(source, manifest.details).why_not_judged_on(data)


def _own_embeddings(folder: Path, data: Dataset) -> tuple[Tensor, IntArray]:
    """The release's embeddings in today's order, and which items it has none of."""
    known, embeddings = read_embeddings(folder)
    ids = pq.read_table(folder / ITEMS_FILE, columns=[ITEM_ID])[ITEM_ID].to_pylist()
    row = {ids[item]: position for position, item in enumerate(known.tolist())}
    rows = np.array([row.get(item_id, -1) for item_id in data.item_ids], dtype=np.int64)
    found = torch.from_numpy(rows >= 0)
    placed = torch.zeros(data.num_items, embeddings.shape[1])
    placed[found] = embeddings[torch.from_numpy(rows)[found]]
    return placed, np.flatnonzero(rows < 0)
