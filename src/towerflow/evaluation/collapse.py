"""Embedding collapse: how many of a table's dimensions carry something.

LLMInit (arXiv 2503.01814) argues that tables should be short, because long ones collapse onto a few
directions. What that looks like for these items and this model is measured here.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from towerflow.evaluation.spectrum import Spectrum, spectrum
from towerflow.interactions.histories import IntArray
from towerflow.models.graph_cf import GraphCF
from towerflow.models.llm_init import InitConfig, Strategy, item_rows, xavier
from towerflow.models.retrieval_model import RetrievalModel

DIMS: Final = (32, 64, 128, 256, 512, 1024, 2048, 4096)
FIRST_ROWS: Final = "first rows"
TRAINED_ROWS: Final = "trained rows"
ITEM_VECTORS: Final = "item vectors"
MAX_DIM: Final = 4096  # beyond, singular values take minutes, and no table is meant to be so wide


@torch.inference_mode()
def spectra(
    model: RetrievalModel,
    embeddings: Tensor,
    has_text: NDArray[np.bool_],
    degrees: IntArray,
) -> list[Spectrum]:
    """The LLM's embeddings, the model's item vectors, and where tables of other sizes would begin.

    Args:
        model: the trained model.
        embeddings: `[num_items, embedding_dim]`.
        has_text: `[num_items]`.
        degrees: `[num_items]` training interactions.
    """
    found = [spectrum("LLM embeddings", embeddings)] if embeddings.shape[1] <= MAX_DIM else []
    if isinstance(model, GraphCF):
        init = model.settings.init
        most = min(embeddings.shape[1], MAX_DIM, int(has_text.sum()))
        for dim in sorted({*_dims_up_to(most), min(most, model.trained_items.shape[1])}):
            rows = _first_rows(init, dim, embeddings, has_text, degrees)
            found.append(spectrum(f"{FIRST_ROWS}, {init.strategy.value}", rows))
        found.append(spectrum(TRAINED_ROWS, model.trained_items))
    vectors = model.item_vectors(embeddings)
    if vectors.shape[1] <= MAX_DIM:
        found.append(spectrum(ITEM_VECTORS, vectors))
    return found


def _dims_up_to(most: int) -> Sequence[int]:
    return [*(dim for dim in DIMS if dim < most), most]


def _first_rows(
    init: InitConfig,
    dim: int,
    embeddings: Tensor,
    has_text: NDArray[np.bool_],
    degrees: IntArray,
) -> Tensor:
    """`[num_items, dim]`; of `full`, which has one size, the first dimensions stand for others."""
    rng = np.random.default_rng(0)
    match init.strategy:
        case Strategy.XAVIER:
            return xavier(len(embeddings), dim, rng)
        case Strategy.FULL:
            return item_rows(init, None, embeddings[:, :dim], has_text, degrees, rng)
        case _:
            return item_rows(init, dim, embeddings, has_text, degrees, rng)
