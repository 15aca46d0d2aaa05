"""How a model is trained by gradient."""

from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from towerflow.training.epochs import EpochsConfig


class Candidates(StrEnum):
    """Among which items a target must be found."""

    FULL = "full"
    SAMPLED = "sampled"
    IN_BATCH = "in_batch"


class SoftmaxConfig(BaseModel):
    """The softmax over candidates that a position's target must win."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates: Candidates = Field(
        default=Candidates.FULL,
        description="full: the catalogue; sampled: the batch's targets and num_negatives others, "
        "drawn anew each step; in_batch: the batch's targets.",
    )
    num_negatives: Annotated[
        int, Field(ge=0, description="Items drawn for `sampled`, from the whole catalogue.")
    ] = 0
    log_q: bool = Field(
        default=False, description="Correct for how likely an item was to be a candidate."
    )
    exclude_same_user: bool = Field(
        default=False, description="Another target of the same sequence is no negative."
    )

    @model_validator(mode="after")
    def _fits_the_candidates(self) -> Self:
        if (self.num_negatives > 0) != (self.candidates is Candidates.SAMPLED):
            raise ValueError("num_negatives are what candidates 'sampled' need, and only they")
        if self.log_q and self.candidates is Candidates.FULL:
            raise ValueError("log_q corrects a choice of candidates; 'full' has none")
        return self


class NextItem(BaseModel):
    """Every position of a history must find the item after it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["next_item"] = "next_item"
    softmax: SoftmaxConfig = SoftmaxConfig()


class OneTarget(BaseModel):
    """One item of each user a pass, drawn at random, to be found after all before it.

    Source: LEARN's public Amazon code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["one_target"] = "one_target"
    softmax: SoftmaxConfig = SoftmaxConfig()
    second_half: bool = Field(
        default=False, description="Draw from the second half of a history only, as pre-training."
    )
    min_items: Annotated[
        int, Field(ge=2, description="Users with fewer training items don't teach [5].")
    ] = 2
    max_items: Annotated[
        int | None, Field(ge=2, description="Nor do users with more [40]; null: no bound.")
    ] = None

    @model_validator(mode="after")
    def _somebody_can_teach(self) -> Self:
        if self.max_items is not None and self.max_items < self.min_items:
            raise ValueError(f"max_items {self.max_items} is less than min_items {self.min_items}")
        if self.softmax.exclude_same_user:
            raise ValueError(
                "exclude_same_user needs several targets of a user, one_target has one"
            )
        return self


class Cut(StrEnum):
    """Where a user's history ends and the targets begin."""

    TIMESTAMP = "timestamp"
    RANDOM = "random"


class AllAction(BaseModel):
    """Dense all-action: several positions of the history must find several later items each.

    Source: LEARN (arXiv 2405.03988), industrial setting; two-stage sampling with w_i =
    log(α + i (β − α) / (N − 1)), i = 0 the oldest.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: Literal["all_action"] = "all_action"
    cut: Cut = Field(
        default=Cut.TIMESTAMP,
        description="timestamp: one for all users, as the paper; random: one a user and pass, for "
        "logs whose users don't stay as long.",
    )
    target_share: Annotated[
        float, Field(gt=0, lt=1, description="Share of interactions after the timestamp.")
    ] = 0.1
    max_targets: Annotated[int, Field(gt=0, description="Stage 1: targets of a user [40].")] = 40
    num_positions: Annotated[int, Field(gt=0, description="Stage 2: positions, N_h [10].")] = 10
    num_targets: Annotated[int, Field(gt=0, description="Stage 2: targets, N_t [10].")] = 10
    alpha: Annotated[float, Field(gt=1, description="Weight of the oldest is log α [10].")] = 10.0
    beta: Annotated[float, Field(gt=1, description="Weight of the newest is log β [10000].")] = 1e4


SEQUENCE_OBJECTIVES: Final = ("next_item", "one_target", "all_action")


class TrainingConfig(EpochsConfig):
    """How a model that reads sequences is trained."""

    objective: Annotated[NextItem | OneTarget | AllAction, Field(discriminator="kind")] = NextItem()
    batch_size: Annotated[
        int,
        Field(gt=0, description="Targets of a step, of whole sequences; all_action: users."),
    ] = 2048
    learning_rate: Annotated[float, Field(gt=0, description="Peak rate of AdamW.")] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, description="Of AdamW.")] = 0.0
    warmup_share: Annotated[
        float, Field(ge=0, lt=1, description="Share of training over which the rate rises.")
    ] = 0.05
    max_gradient_norm: Annotated[
        float | None, Field(gt=0, description="Longer gradients are cut; null: never [null].")
    ] = 1.0
