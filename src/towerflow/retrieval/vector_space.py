"""What makes vectors comparable: two releases of one model are of the same space."""

import hashlib
import json
from typing import Final

from towerflow.embedding.settings import EncoderRecord
from towerflow.models.retrieval_model import RetrievalModel

CATALOGUE_TENSORS: Final = ("id_rows", "item_rows", "user_rows")  # what has which id


def vector_space(model: RetrievalModel, encoder: EncoderRecord) -> str:
    """Hash of `model` and the encoder that it reads.

    Which items there are is no part of it, so that a refreshed release keeps it.
    """
    settings = json.dumps(model.config(), sort_keys=True)
    digest = hashlib.sha256(f"{encoder.fingerprint} {settings}".encode())
    for name, tensor in sorted(model.tensors().items()):
        if not name.endswith(CATALOGUE_TENSORS):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
