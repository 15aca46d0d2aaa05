"""The baselines, by hand."""

import numpy as np
import pytest
import torch

from towerflow.interactions.histories import ItemLists
from towerflow.models.content_mean import ContentMean, ContentMeanConfig
from towerflow.models.popularity import Popularity

HISTORIES = ItemLists.from_lists([[0, 1], [1, 2], []])


def test_popularity_scores_by_count_for_everybody() -> None:
    model = Popularity.fit(HISTORIES, num_items=4)
    embeddings = torch.zeros(4, 2)
    scores = model.user_vectors(HISTORIES, embeddings) @ model.item_vectors(embeddings).T
    assert scores.tolist() == [[1, 2, 1, 0]] * 3


def test_popularity_gives_items_that_came_later_nothing() -> None:
    model = Popularity.fit(HISTORIES, num_items=3).for_items(np.array([0, 1, 2, -1, -1]))
    assert model.item_vectors(torch.zeros(5, 2)).flatten().tolist() == [1, 2, 1, 0, 0]


def test_content_mean_is_the_mean_of_unit_embeddings() -> None:
    embeddings = torch.tensor([[3.0, 0.0], [0.0, 2.0], [0.0, 5.0]])
    model = ContentMean.fit(embeddings, ContentMeanConfig(standardise=False))
    assert model.item_vectors(embeddings).tolist() == [[1, 0], [0, 1], [0, 1]]
    users = model.user_vectors(HISTORIES, embeddings)
    assert users.tolist() == [[1 / 2, 1 / 2], [0, 1], [0, 0]]


def test_content_mean_standardises_by_the_catalogue() -> None:
    embeddings = torch.tensor([[10.0, 0.0], [12.0, 0.0], [14.0, 0.0]])
    model = ContentMean.fit(embeddings, ContentMeanConfig())
    assert model.item_vectors(embeddings)[:, 0].tolist() == pytest.approx([-1, 0, 1])
