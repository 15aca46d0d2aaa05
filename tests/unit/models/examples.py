"""A small model of every kind over six items, of which the last came after training."""

import numpy as np
import torch

from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.models.blend import Blend
from towerflow.models.connector import Ridge
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.graph_cf import GraphCF, GraphCFConfig
from towerflow.models.item_to_item import EaseConfig, ItemKNNConfig, ItemToItem
from towerflow.models.learn import Learn, LearnConfig
from towerflow.models.llm_init import InitConfig, Strategy
from towerflow.models.popularity import Popularity
from towerflow.models.retrieval_model import RetrievalModel
from towerflow.models.sasrec import SASRec, SASRecConfig
from towerflow.models.standardise import Standardise

ITEM_IDS = list("abcdef")
NUM_KNOWN = 5  # of the six
ONE_LATER = np.array([0, 1, 2, 3, 4, -1])
HISTORIES = ItemLists.from_lists([[0, 1, 2, 5], [3], []])
KNOWN = HISTORIES.where(HISTORIES.items < NUM_KNOWN)
EMBEDDINGS = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)) * 2 + 1
SIZES = {"width": 8, "num_layers": 1, "num_heads": 4, "feedforward": 6, "max_history": 2}


def learn(**settings: object) -> Learn:
    """Random weights, ids too, and the scale of a catalogue."""
    torch.manual_seed(1)
    config = LearnConfig.model_validate(SIZES | {"dim": 3, "dropout": 0.3} | settings)
    model = Learn(config, EMBEDDINGS.shape[1], NUM_KNOWN)
    model.standardise = Standardise.fit(EMBEDDINGS)
    if hasattr(model, "item_ids"):
        torch.nn.init.normal_(model.item_ids.weight[:NUM_KNOWN])
    return model.for_items(ONE_LATER).eval()


def sasrec(**settings: object) -> SASRec:
    """Random weights."""
    torch.manual_seed(1)
    model = SASRec(SASRecConfig.model_validate(SIZES | settings), NUM_KNOWN)
    torch.nn.init.normal_(model.item_table.weight)
    return model.for_items(ONE_LATER).eval()


def blend() -> Blend:
    """Of the two towers."""
    return Blend([learn(item_input="content_id", temperature=0.2), sasrec()], [0.7, 0.3])


def item_to_item(config: ItemKNNConfig | EaseConfig) -> ItemToItem:
    """Fitted on the histories."""
    if isinstance(config, EaseConfig):
        return ItemToItem.fit_ease(KNOWN, NUM_KNOWN, config).for_items(ONE_LATER)
    return ItemToItem.fit_item_knn(KNOWN, NUM_KNOWN, config).for_items(ONE_LATER)


def graph(**settings: object) -> GraphCF:
    """Random rows, and a connector for what came later."""
    edges = Edges.of(KNOWN, NUM_KNOWN)
    init = InitConfig(strategy=Strategy.XAVIER)
    config = GraphCFConfig.model_validate({"dim": 3, "init": init} | settings)
    table = torch.randn(len(KNOWN) + NUM_KNOWN, 3, generator=torch.Generator().manual_seed(1))
    model = GraphCF.of_tables(config, table, edges)
    if config.connector:
        known = EMBEDDINGS[:NUM_KNOWN]
        taught = Ridge.of(known).fit(model.item_vectors(known))
        model = model.with_connector(taught, torch.ones(NUM_KNOWN, dtype=torch.bool))
    return model.for_items(ONE_LATER)


def examples() -> dict[str, RetrievalModel]:
    """Made anew, for tests that change one."""
    return {
        "learn": learn(),
        "learn of ids": learn(item_input="id", positions="learned"),
        "learn of both": learn(item_input="content_id", positions="rotary", item_tower="sequence"),
        "learn with raw items": learn(item_tower="raw", dim=None),
        "sasrec": sasrec(),
        "sasrec without positions": sasrec(positions="none"),
        "blend": blend(),
        "graph": graph(),
        "graph without connector": graph(connector=False, cosine=True),
        "item-kNN": item_to_item(ItemKNNConfig()),
        "ease": item_to_item(EaseConfig()),
        "popularity": Popularity.fit(KNOWN, NUM_KNOWN).for_items(ONE_LATER),
        "content_mean": ContentMean.fit(EMBEDDINGS, ContentMeanConfig()),
        "content_mean, raw": ContentMean.fit(EMBEDDINGS, ContentMeanConfig(standardise=False)),
    }


EXAMPLES = examples()
