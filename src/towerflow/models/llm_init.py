"""LLMInit: first rows of the tables, taken from some dimensions of the items' LLM embeddings.

Source: LLMInit (arXiv 2503.01814) and its public code; what is not theirs says so.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from towerflow.errors import InputError
from towerflow.interactions.histories import IntArray
from towerflow.models.adjacency import Edges
from towerflow.models.gram import gram

POPULAR_SHARE: Final = 0.2  # LLMInit's
MIN_POPULAR: Final = 2  # a variance needs two


class Strategy(StrEnum):
    """Which numbers of an embedding a table's row begins with."""

    XAVIER = "xavier"
    RANDOM = "random"
    UNIFORM = "uniform"
    VARIANCE = "variance"
    PCA = "pca"
    FULL = "full"


class Scale(StrEnum):
    """What is done to the rows after the selection."""

    NONE = "none"
    L2 = "l2"
    MATCHED_STD = "matched_std"


class InitConfig(BaseModel):
    """How the tables begin."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    strategy: Strategy = Field(
        default=Strategy.VARIANCE,
        description="random, uniform (every n-th) or variance (the most varied) select dimensions; "
        "full takes all; pca projects on principal axes; xavier does without the LLM.",
    )
    replacement: bool = Field(
        default=False, description="random: the same dimension may be drawn again, as in LLMInit."
    )
    popular_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="variance: over this share of the items taken, by degree; 1: of all.",
        ),
    ] = POPULAR_SHARE
    centre: bool = Field(default=False, description="Subtract the mean row from all [false].")
    scale: Scale = Field(
        default=Scale.NONE,
        description="none, as LLMInit; l2: rows of length 1; matched_std: the spread of Xavier's.",
    )

    @model_validator(mode="after")
    def _fits_the_strategy(self) -> Self:
        if self.replacement and self.strategy is not Strategy.RANDOM:
            raise ValueError("replacement is for strategy random")
        if self.popular_share != POPULAR_SHARE and self.strategy is not Strategy.VARIANCE:
            raise ValueError("popular_share is for strategy variance")
        if self.strategy is Strategy.XAVIER and (self.centre or self.scale is not Scale.NONE):
            raise ValueError(
                "centre and scale are for strategies that read the LLM, xavier doesn't"
            )
        return self


@dataclass(frozen=True)
class FirstTables:
    """Where training begins.

    Attributes:
        table: `[num_users + num_items, dim]`, users first.
        fallbacks: how many `items_without_text` and `users_without_history` got the mean row of
            the others; none without the LLM.
    """

    table: Tensor
    fallbacks: dict[str, int]


def first_tables(
    config: InitConfig,
    dim: int | None,
    embeddings: Tensor,
    has_text: NDArray[np.bool_],
    edges: Edges,
    rng: np.random.Generator,
) -> FirstTables:
    """Rows of items as `config` says; rows of users are the mean of their training items' rows.

    Items without text and users without history are given the mean row of those that have.

    Args:
        config: the strategy.
        dim: length of a row; None: as long as an embedding.
        embeddings: `[num_items, embedding_dim]`.
        has_text: `[num_items]`.
        edges: the training interactions.
        rng: of what is random.

    Raises:
        InputError: more dimensions are asked for than there are, or no item has text.
    """
    if config.strategy is Strategy.XAVIER:
        width = dim or embeddings.shape[1]
        parts = [xavier(edges.num_users, width, rng), xavier(edges.num_items, width, rng)]
        return FirstTables(torch.cat(parts), {})
    if not has_text.any():
        raise InputError("the items", expected="some with text, to begin from", found="none")
    items = item_rows(config, dim, embeddings, has_text, edges.item_degrees(), rng)
    users = user_rows(items, edges)
    has_history = edges.user_degrees() > 0
    users[torch.from_numpy(~has_history)] = users[torch.from_numpy(has_history)].mean(dim=0)
    fallbacks = {
        "items_without_text": int((~has_text).sum()),
        "users_without_history": int((~has_history).sum()),
    }
    return FirstTables(torch.cat([users, items]), fallbacks)


def xavier(num_rows: int, dim: int, rng: np.random.Generator) -> Tensor:
    """`[num_rows, dim]` uniform in ± √(6 / (num_rows + dim)) (Glorot and Bengio 2010)."""
    bound = float(np.sqrt(6 / (num_rows + dim)))
    return torch.from_numpy(rng.uniform(-bound, bound, (num_rows, dim)).astype(np.float32))


def item_rows(
    config: InitConfig,
    dim: int | None,
    embeddings: Tensor,
    has_text: NDArray[np.bool_],
    degrees: IntArray,
    rng: np.random.Generator,
) -> Tensor:
    """`[num_items, dim]`; see `first_tables`."""
    known = torch.from_numpy(has_text)
    width = embeddings.shape[1] if dim is None else dim
    if config.strategy is Strategy.PCA:
        rows = principal_components(embeddings, known, width)
    else:
        known_degrees = np.where(has_text, degrees, -1)  # what was not read tells no variance
        chosen = select(config, width, embeddings, known_degrees, rng)
        rows = embeddings[:, torch.from_numpy(chosen)]
    is_centred = config.strategy is Strategy.PCA  # but for rounding, which l2 would blow up
    mean = torch.zeros(width) if is_centred else rows[known].mean(dim=0)
    rows = torch.where(known.unsqueeze(1), rows, mean)
    if config.centre:
        rows = rows - mean
    match config.scale:
        case Scale.L2:
            rows = F.normalize(rows, dim=1)
        case Scale.MATCHED_STD:
            target = float(np.sqrt(2 / (len(rows) + width)))  # that of Xavier's uniform
            spread = float(rows.std(correction=0))
            rows = rows * (target / spread) if spread else rows
    return rows


def user_rows(items: Tensor, edges: Edges) -> Tensor:
    """`[num_users, dim]` mean of the rows of each user's training items; zeros without any."""
    offsets = np.concatenate([[0], np.cumsum(edges.user_degrees())])
    return F.embedding_bag(
        torch.from_numpy(edges.items),
        items,
        torch.from_numpy(offsets),
        mode="mean",
        include_last_offset=True,
    )


def select(
    config: InitConfig,
    dim: int,
    embeddings: Tensor,
    degrees: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    """`[dim]` the dimensions of `embeddings` `[num_items, embedding_dim]` that are taken.

    Raises:
        InputError: there are not as many.
    """
    available = embeddings.shape[1]
    if dim > available:
        raise InputError(
            "recipe",
            field="model.dim",
            expected=f"at most the {available} dimensions of the embeddings",
            found=str(dim),
        )
    match config.strategy:
        case Strategy.RANDOM:
            return rng.choice(available, size=dim, replace=config.replacement)
        case Strategy.UNIFORM:
            return np.arange(dim, dtype=np.int64) * (available // dim)
        case Strategy.VARIANCE:
            return most_varied(dim, embeddings, degrees, config.popular_share)
        case _:
            assert config.strategy is Strategy.FULL, "the others don't select"
            return np.arange(available, dtype=np.int64)


def most_varied(dim: int, embeddings: Tensor, degrees: IntArray, popular_share: float) -> IntArray:
    """`[dim]` dimensions of the largest variance over the most popular items, ascending.

    Equal degrees and equal variances: the lower index goes first.
    """
    num_counted = len(degrees) if popular_share == 1 else int((degrees > 0).sum())
    num_popular = min(len(degrees), max(MIN_POPULAR, int(num_counted * popular_share)))
    popular = np.argsort(-degrees, kind="stable")[:num_popular]
    variance = embeddings[torch.from_numpy(popular)].double().var(dim=0, correction=0).numpy()
    return np.sort(np.argsort(-variance, kind="stable")[:dim])


def principal_components(embeddings: Tensor, known: Tensor, dim: int) -> Tensor:
    """`[num_items, dim]` along the axes of the largest variance: the control that LLMInit lacks.

    An axis points to where its largest part is positive, so that two runs give the same.

    Raises:
        InputError: there are not as many axes.
    """
    most = min(int(known.sum()), embeddings.shape[1])
    if dim > most:
        raise InputError(
            "recipe",
            field="model.dim",
            expected=f"at most {most}, the smaller of items with text and dimensions",
            found=str(dim),
        )
    centred = embeddings - embeddings[known].mean(dim=0)
    _, vectors = torch.linalg.eigh(gram(centred[known]))
    axes = vectors.flip(dims=(1,))[:, :dim]
    largest = axes.gather(0, axes.abs().argmax(dim=0, keepdim=True))
    components: Tensor = centred @ (axes * largest.sign()).float()
    return components
