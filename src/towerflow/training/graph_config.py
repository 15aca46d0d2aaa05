"""How a model on the graph of users and items is trained."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from towerflow.training.epochs import EpochsConfig


class Negatives(StrEnum):
    """What an item that was taken must score above."""

    UNTAKEN = "untaken"
    OTHERS = "others"


class Contrast(StrEnum):
    """Among which nodes of the other view a node must find itself."""

    ALL = "all"
    BATCH = "batch"


class PairwiseLoss(BaseModel):
    """BPR: what was taken scores above what was not."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    negatives: Negatives = Field(
        default=Negatives.UNTAKEN,
        description="Drawn from what the user has not taken, or from all but the positive.",
    )
    penalty: Annotated[
        float, Field(ge=0, description="Weight of the rows' lengths before propagation [1e-5].")
    ] = 1e-5


class LightGCNLoss(PairwiseLoss):
    """BPR, its mean over the batch: LightGCN (arXiv 2002.02126)."""

    kind: Literal["lightgcn"] = "lightgcn"


class SGLLoss(PairwiseLoss):
    """BPR, its sum over the batch, and two views that must agree: SGL (arXiv 2010.10783)."""

    kind: Literal["sgl"] = "sgl"
    drop_share: Annotated[
        float, Field(gt=0, lt=1, description="Share of edges that a view lacks [0.1].")
    ] = 0.1
    temperature: Annotated[float, Field(gt=0, description="τ of the contrast [0.2].")] = 0.2
    contrast_weight: Annotated[
        float, Field(gt=0, description="Of the contrast beside BPR [0.05].")
    ] = 0.05
    contrast: Contrast = Field(
        default=Contrast.ALL,
        description="A node must find itself among all of its kind, or among those of the batch.",
    )


class SGCLLoss(BaseModel):
    """Supervised contrast of users with their items; draws no negatives."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["sgcl"] = "sgcl"
    temperature: Annotated[float, Field(gt=0, description="τ of the cosines [0.2].")] = 0.2


GraphLoss = LightGCNLoss | SGLLoss | SGCLLoss
GRAPH_LOSSES: Final = ("lightgcn", "sgl", "sgcl")


class GraphTrainingConfig(EpochsConfig):
    """How a model on the graph is trained."""

    objective: Annotated[GraphLoss, Field(discriminator="kind")]
    batch_size: Annotated[int, Field(gt=0, description="Edges of a step.")] = 2048
    learning_rate: Annotated[float, Field(gt=0, description="Of Adam.")] = 1e-3
    hide_history: bool = Field(
        default=True,
        description="Leave out what users have taken when validation ranks; false as LLMInit.",
    )
