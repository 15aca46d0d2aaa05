"""Recipes: named, validated training configurations, one YAML file each in this folder."""

from importlib.resources import files
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from towerflow.errors import InputError
from towerflow.models.content_mean import ContentMeanConfig
from towerflow.models.graph_cf import GraphCFConfig
from towerflow.models.item_to_item import EaseConfig, ItemKNNConfig
from towerflow.models.learn import ItemTower, LearnConfig
from towerflow.models.popularity import PopularityConfig
from towerflow.models.sasrec import SASRecConfig
from towerflow.models.transformer import Positions
from towerflow.training.config import SEQUENCE_OBJECTIVES, AllAction, TrainingConfig
from towerflow.training.graph_config import GRAPH_LOSSES, GraphTrainingConfig, SGCLLoss
from towerflow.yaml_documents import read_document

DEFAULT_RECIPE: Final = "learn"
EXTENDS: Final = "extends"
LARGEST_SEED: Final = 2**53
OWN_SEED: Final = -1  # in place of a seed: the recipe's own
SEQUENCE, GRAPH = "(sequence)", "(graph)"  # ways of training


class MemberConfig(BaseModel):
    """One of the models whose scores are added."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    weight: Annotated[float, Field(gt=0, description="Of its logits in the sum.")]
    model: Annotated[LearnConfig | SASRecConfig, Field(discriminator="kind")]
    training: TrainingConfig

    @model_validator(mode="after")
    def _training_fits(self) -> Self:
        require_fit(self.model, self.training)
        return self


def require_fit(model: LearnConfig | SASRecConfig, training: TrainingConfig) -> None:
    """Refuse a training that the model can't take, or that would not be what it says.

    Raises:
        ValueError: in a sentence.
    """
    objective = training.objective
    if not isinstance(model, LearnConfig) or model.item_tower is not ItemTower.SEQUENCE:
        return
    if not isinstance(objective, AllAction):
        raise ValueError("item_tower sequence is for objective all_action: others have single")
    has_positions = model.positions is Positions.LEARNED
    if has_positions and objective.max_targets > model.max_history:
        raise ValueError("max_targets exceeds max_history, as far as learned positions reach")


class BlendConfig(BaseModel):
    """Models that are trained each for itself and scored together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["blend"] = "blend"
    members: Annotated[list[MemberConfig], Field(min_length=2)]

    def with_seed(self, seed: int) -> Self:
        """All members with that seed."""
        members = [
            member.model_copy(
                update={"training": member.training.model_copy(update={"seed": seed})}
            )
            for member in self.members
        ]
        return self.model_copy(update={"members": members})


ModelConfig = Annotated[
    BlendConfig
    | LearnConfig
    | SASRecConfig
    | GraphCFConfig
    | PopularityConfig
    | ContentMeanConfig
    | ItemKNNConfig
    | EaseConfig,
    Field(discriminator="kind"),
]


def _way_of_training(training: Any) -> str:
    """The tag of the training's class, by the kind of the objective."""
    if isinstance(training, dict):
        objective = training.get("objective")
        kind = objective.get("kind") if isinstance(objective, dict) else None
        return GRAPH if kind in GRAPH_LOSSES else SEQUENCE
    return GRAPH if isinstance(training, GraphTrainingConfig) else SEQUENCE


AnyTraining = Annotated[
    Annotated[TrainingConfig, Tag(SEQUENCE)] | Annotated[GraphTrainingConfig, Tag(GRAPH)],
    Discriminator(_way_of_training),
]


class Recipe(BaseModel):
    """Which model, of what size, trained how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(description="What the recipe is for, in a sentence.")
    model: ModelConfig
    training: AnyTraining = Field(
        default=TrainingConfig(),
        description="Of models that are trained by gradient; a blend's members have their own.",
    )

    @model_validator(mode="after")
    def _training_fits(self) -> Self:
        match self.model, self.training:
            case (LearnConfig() | SASRecConfig() as model, TrainingConfig() as training):
                require_fit(model, training)
            case (GraphCFConfig(cosine=cosine), GraphTrainingConfig(objective=objective)):
                if cosine != isinstance(objective, SGCLLoss):
                    raise ValueError("cosine is for objective sgcl, and sgcl needs it")
            case (LearnConfig() | SASRecConfig() | GraphCFConfig(), _):
                raise ValueError(
                    f"training.objective of a {self.model.kind} must be "
                    + " or ".join(
                        GRAPH_LOSSES if self.model.kind == "graph_cf" else SEQUENCE_OBJECTIVES
                    )
                )
            case _ if "training" in self.model_fields_set:
                raise ValueError(f"a {self.model.kind} has no training of its own")
        return self

    @property
    def can_be_shared(self) -> bool:
        """Whether several processes can train the model together."""
        return isinstance(self.model, LearnConfig | SASRecConfig | BlendConfig)

    @property
    def num_epochs(self) -> int:
        """Epochs of all trainings at most."""
        match self.model:
            case BlendConfig(members=members):
                return sum(member.training.epochs for member in members)
            case LearnConfig() | SASRecConfig() | GraphCFConfig():
                return self.training.epochs
            case _:
                return 0

    def with_seed(self, seed: int) -> Self:
        """The same with another seed throughout; what was valid is not validated again.

        Raises:
            InputError: a seed that is negative, or that JSON numbers can't hold.
        """
        if not 0 <= seed < LARGEST_SEED:
            raise InputError(
                "seed", expected=f"a number from 0 to {LARGEST_SEED - 1}", found=str(seed)
            )
        match self.model:
            case BlendConfig() as blend:
                return self.model_copy(update={"model": blend.with_seed(seed)})
            case LearnConfig() | SASRecConfig() | GraphCFConfig():
                training = self.training.model_copy(update={"seed": seed})
                return self.model_copy(update={"training": training})
            case _:
                return self


def recipe_names() -> list[str]:
    """Names of the recipes that come with Towerflow."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files(__name__).iterdir()
        if entry.name.endswith(".yaml")
    )


def load_recipe(recipe: str, seed: int = OWN_SEED) -> Recipe:
    """The recipe of that name, or the one whose YAML text is given (recognised by its colon).

    Args:
        recipe: the name or the text.
        seed: in place of the recipe's; OWN_SEED: the recipe's own.

    Raises:
        InputError: no such name, a key or value that a recipe can't have, or a seed below -1.
    """
    if ":" in recipe:
        chosen = parse_recipe(recipe, "the recipe given as text")
    elif recipe in recipe_names():
        chosen = parse_recipe(_text_of(recipe), recipe)
    else:
        raise InputError("recipe", expected=" or ".join(recipe_names()), found=f"'{recipe}'")
    if seed == OWN_SEED:
        return chosen
    if seed < 0:
        raise InputError("seed", expected="0 or more, or -1: the recipe's own", found=str(seed))
    return chosen.with_seed(seed)


def parse_recipe(text: str, where: str) -> Recipe:
    """Validate the YAML `text` of a recipe; `where` is what an error names.

    With `extends: <name>` the text says only what differs from that recipe.

    Raises:
        InputError: it is not YAML, or not a recipe.
    """
    content = read_document(text, where)
    ancestors: list[str] = []
    while isinstance(content, dict) and EXTENDS in content:
        name = content.pop(EXTENDS)
        if name not in recipe_names() or name in ancestors:
            raise InputError(
                where, field=EXTENDS, expected="the name of another recipe", found=f"'{name}'"
            )
        ancestors.append(name)
        base = read_document(_text_of(name), name)
        del base["description"]  # which is not true of this one
        content = _merged(base, content)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise InputError.from_validation(where, "a valid recipe", error) from error


def _text_of(name: str) -> str:
    return files(__name__).joinpath(f"{name}.yaml").read_text("utf-8")


def _merged(base: Any, changes: Any) -> Any:
    """`base` with `changes`, key by key; what changes its kind is replaced whole."""
    if not isinstance(base, dict) or not isinstance(changes, dict):
        return changes
    if "kind" in changes and changes["kind"] != base.get("kind"):
        return changes
    return base | {key: _merged(base.get(key), value) for key, value in changes.items()}
