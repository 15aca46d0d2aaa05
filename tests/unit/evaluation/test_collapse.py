"""Which tables the report looks at, and what it sees in a collapsed one."""

import numpy as np
import pytest
import torch

from towerflow.evaluation.collapse import FIRST_ROWS, TRAINED_ROWS, spectra
from towerflow.interactions.histories import ItemLists
from towerflow.models.adjacency import Edges
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.graph_cf import GraphCF, GraphCFConfig
from towerflow.models.llm_init import InitConfig, Strategy
from towerflow.models.popularity import Popularity

NUM_ITEMS = 90
EDGES = Edges.of(ItemLists.from_lists([[0, 1], [1, 2], [3]]), NUM_ITEMS)
ALL = np.ones(NUM_ITEMS, dtype=bool)
EMBEDDINGS = torch.randn(NUM_ITEMS, 80, generator=torch.Generator().manual_seed(0))


def graph_model(strategy: Strategy, rows: torch.Tensor) -> GraphCF:
    """A model whose trained rows of items are `rows`."""
    dim = None if strategy is Strategy.FULL else rows.shape[1]
    settings = GraphCFConfig(dim=dim, init=InitConfig(strategy=strategy))
    return GraphCF.of_tables(settings, torch.cat([torch.ones(3, rows.shape[1]), rows]), EDGES)


def tables(model: GraphCF, embeddings: torch.Tensor = EMBEDDINGS) -> list[tuple[str, int]]:
    """Names and columns of the tables that were looked at."""
    found = spectra(model, embeddings, ALL, EDGES.item_degrees())
    return [(one.table, one.dim) for one in found]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_first_rows_of_every_strategy_come_in_all_sizes(strategy: Strategy) -> None:
    name = f"{FIRST_ROWS}, {strategy.value}"
    assert tables(graph_model(strategy, EMBEDDINGS)) == [
        ("LLM embeddings", 80),
        *((name, dim) for dim in (32, 64, 80)),
        (TRAINED_ROWS, 80),
        ("item vectors", 80),
    ]


def test_there_are_no_more_principal_axes_than_items() -> None:
    wide = torch.randn(NUM_ITEMS, 200, generator=torch.Generator().manual_seed(0))
    sizes = [dim for name, dim in tables(graph_model(Strategy.PCA, wide[:, :8]), wide)]
    assert sizes == [200, 8, 32, 64, NUM_ITEMS, 8, 8]


def test_a_collapsed_table_is_seen() -> None:
    line = torch.ones(NUM_ITEMS, 16) * torch.arange(1.0, NUM_ITEMS + 1).unsqueeze(1)
    found = spectra(graph_model(Strategy.UNIFORM, line), EMBEDDINGS, ALL, EDGES.item_degrees())
    by_table = {one.table: one for one in found}
    assert by_table[TRAINED_ROWS].information_abundance == pytest.approx(1.0)
    assert by_table["LLM embeddings"].information_abundance > 30


def test_other_models_have_embeddings_and_item_vectors_and_no_more_than_they_can() -> None:
    content = ContentMean.fit(EMBEDDINGS, ContentMeanConfig())
    popularity = Popularity(torch.ones(NUM_ITEMS))
    for model, dim in ((content, 80), (popularity, 1)):
        found = spectra(model, EMBEDDINGS, ALL, EDGES.item_degrees())
        assert [(one.table, one.dim) for one in found] == [
            ("LLM embeddings", 80),
            ("item vectors", dim),
        ]
