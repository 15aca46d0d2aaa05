"""From a recipe's model to a fitted one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from towerflow.errors import InputError
from towerflow.evaluation.protocol import task
from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import IntArray
from towerflow.models.adjacency import Edges
from towerflow.models.blend import Blend
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.graph_cf import GraphCF, GraphCFConfig
from towerflow.models.item_to_item import EaseConfig, ItemKNNConfig, ItemToItem
from towerflow.models.learn import ItemInput, Learn, LearnConfig
from towerflow.models.llm_init import first_tables
from towerflow.models.popularity import Popularity, PopularityConfig
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.models.standardise import Standardise
from towerflow.recipes import BlendConfig, MemberConfig, Recipe
from towerflow.schema import Split
from towerflow.training.checkpoint import Checkpoint, Epoch
from towerflow.training.config import TrainingConfig
from towerflow.training.graph import ModelOfTables, train_graph
from towerflow.training.graph_config import GraphTrainingConfig
from towerflow.training.loop import TrainingLog, train_model
from towerflow.training.ranks import Ranks

# What may differ from the initial model: it shapes no weight and changes no vector.
FREE_SETTINGS: Final = frozenset({"dropout", "attention_dropout", "input_dropout", "temperature"})


Curves = dict[str, list[Epoch]]  # by kind of the model, or member of a blend


@dataclass(frozen=True)
class Fitting:
    """What models are fitted on.

    Attributes:
        dataset: the TRAIN split teaches, VALIDATION chooses.
        embeddings: `[num_items, embedding_dim]`.
        initial: weights to start from, of a model of the same settings.
        checkpoint: where an interrupted training goes on from.
        on_epoch: told of each epoch as it ends.
    """

    dataset: Dataset
    embeddings: Tensor
    initial: RetrievalModel | None = None
    checkpoint: Checkpoint | None = None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None


def fit(recipe: Recipe, on: Fitting) -> tuple[RetrievalModel, Curves]:
    """The recipe's model, and the curve of each training that it took.

    Raises:
        InputError: nobody to learn from, or an initial model that does not fit the recipe.
    """
    if on.initial is not None and not isinstance(recipe.model, LearnConfig):
        raise InputError(
            "initial_model",
            expected="none, or a recipe of kind learn to go on with it",
            found=f"a recipe of kind {recipe.model.kind}",
        )
    histories = on.dataset.lists(Split.TRAIN)
    match recipe.model:
        case PopularityConfig():
            return Popularity.fit(histories, on.dataset.num_items), {}
        case ContentMeanConfig() as config:
            return ContentMean.fit(on.embeddings, config), {}
        case ItemKNNConfig() as config:
            return ItemToItem.fit_item_knn(histories, on.dataset.num_items, config), {}
        case EaseConfig() as config:
            return ItemToItem.fit_ease(histories, on.dataset.num_items, config), {}
        case BlendConfig(members=members):
            return _fit_blend(members, on)
        case GraphCFConfig() as config:
            assert isinstance(recipe.training, GraphTrainingConfig), "the recipe was validated"
            graph_model, curve = _fit_graph(config, recipe.training, on)
            return graph_model, {recipe.training.objective.kind: curve}
        case LearnConfig() | SASRecConfig() as config:
            assert isinstance(recipe.training, TrainingConfig), "the recipe was validated"
            model, curve = _fit_tower(config, recipe.training, on)
            return model, {config.kind: curve}


def _fit_blend(members: Sequence[MemberConfig], on: Fitting) -> tuple[Blend, Curves]:
    fitted: list[Learn | SASRec] = []
    curves: Curves = {}
    for number, member in enumerate(members, start=1):
        own = on.checkpoint.part(number) if on.checkpoint else None
        model, curve = _fit_tower(member.model, member.training, replace(on, checkpoint=own))
        fitted.append(model)
        curves[f"{number}. {member.model.kind}"] = curve
    return Blend(fitted, [member.weight for member in members]), curves


def _fit_tower(
    config: LearnConfig | SASRecConfig, training: TrainingConfig, on: Fitting
) -> tuple[Learn | SASRec, list[Epoch]]:
    if not training.epochs and not on.initial:
        raise InputError(
            "recipe", field="training.epochs", expected="0 with an initial model only", found="none"
        )
    device = _device()
    # On a GPU some operations have no deterministic form.
    torch.use_deterministic_algorithms(mode=device.type == "cpu")
    torch.manual_seed(training.seed)
    data, histories = on.dataset, on.dataset.lists(Split.TRAIN)
    counts = np.bincount(histories.items, minlength=data.num_items)
    model = _first_weights(config, counts, on)
    times = data.timestamp[data.split == Split.TRAIN.value]
    curve = train_model(
        model,
        training,
        TrainingLog(histories, times, data.num_items),
        on.embeddings.to(device),
        task(data, Split.VALIDATION),
        on.checkpoint,
        on.on_epoch,
    )
    return model.cpu(), curve


def _fit_graph(
    config: GraphCFConfig, training: GraphTrainingConfig, on: Fitting
) -> tuple[GraphCF, list[Epoch]]:
    if Ranks.current().num_ranks > 1:
        raise InputError(
            "recipe",
            field="model.kind",
            expected="one that several processes can train, as learn",
            found=config.kind,
            hint="start it with towerflow train, without torchrun",
        )
    data = on.dataset
    edges = Edges.of(data.lists(Split.TRAIN), data.num_items)
    # The epochs' own draws are seeded by [seed, number].
    rng = np.random.default_rng(training.seed)
    first = first_tables(config.init, config.dim, on.embeddings, data.has_text, edges, rng)
    build = ModelOfTables(config, edges, on.embeddings, data.has_text, first.fallbacks)
    table, curve = train_graph(
        build,
        training,
        first.table.to(_device()),
        task(data, Split.VALIDATION, hide_history=training.hide_history),
        on.checkpoint,
        on.on_epoch,
    )
    return build(table), curve


def _device() -> torch.device:
    """The GPU of this process, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())


def _first_weights(
    config: LearnConfig | SASRecConfig, counts: IntArray, on: Fitting
) -> Learn | SASRec:
    """The untrained model; items without training interactions by `counts` get no id."""
    if isinstance(config, SASRecConfig):
        return SASRec(config, len(counts))
    model = Learn(config, on.embeddings.shape[1], len(counts))
    model.know_ids_of(counts > 0)
    if on.initial is not None:
        _require_same_shape(config, on.initial)
        model.load_state_dict(on.initial.tensors())
    elif config.standardise:
        model.standardise = Standardise.fit(on.embeddings)
    return model


def _require_same_shape(config: LearnConfig, initial: RetrievalModel) -> None:
    """Refuse an initial model with other settings, or with ids of another catalogue.

    Raises:
        InputError: naming the setting.
    """
    if not isinstance(initial, Learn):
        raise InputError("initial_model", expected="a model of kind learn", found=initial.kind)
    if config.item_input is not ItemInput.CONTENT:
        raise InputError(
            "recipe",
            field="model.item_input",
            expected="content, with an initial model: it knows no ids of this catalogue",
            found=config.item_input.value,
        )
    theirs = initial.settings.model_dump(mode="json")
    for name, value in config.model_dump(mode="json").items():
        if name not in FREE_SETTINGS and theirs[name] != value:
            raise InputError(
                "recipe",
                field=f"model.{name}",
                expected=f"{theirs[name]}, as the initial model has it",
                found=f"{value}",
            )
