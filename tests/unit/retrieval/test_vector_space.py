"""What makes vectors comparable is hashed; which items and users there are is not."""

import numpy as np
import pytest

from tests.unit.models.examples import EXAMPLES, examples
from towerflow.embedding.settings import EncoderRecord, EncoderSettings
from towerflow.retrieval.vector_space import CATALOGUE_TENSORS, vector_space

ENCODER = EncoderRecord(fingerprint="f", name="tiny", revision="1", settings=EncoderSettings())
OF_ITEMS = {"item-kNN", "ease", "popularity"}  # all that they have is rows of the catalogue


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_number_but_those_of_the_catalogue_counts(name: str) -> None:
    before = vector_space(EXAMPLES[name], ENCODER)
    assert vector_space(examples()[name], ENCODER) == before, "made anew it is the same"
    for tensor_name in EXAMPLES[name].tensors():
        changed = examples()[name]
        changed.tensors()[tensor_name].view(-1)[-1] += 1
        is_same = vector_space(changed, ENCODER) == before
        assert is_same == tensor_name.endswith(CATALOGUE_TENSORS), tensor_name


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in OF_ITEMS])
def test_items_in_another_order_are_of_the_same_space(name: str) -> None:
    moved = examples()[name].for_items(np.array([3, -1, 0, 1]))
    assert vector_space(moved, ENCODER) == vector_space(EXAMPLES[name], ENCODER)


@pytest.mark.parametrize("name", ["item-kNN", "ease"])
def test_where_each_dimension_is_an_item_another_order_is_another_space(name: str) -> None:
    moved = examples()[name].for_items(np.array([3, -1, 0, 1]))
    assert vector_space(moved, ENCODER) != vector_space(EXAMPLES[name], ENCODER)


def test_models_and_encoders_have_their_own() -> None:
    spaces = {name: vector_space(model, ENCODER) for name, model in EXAMPLES.items()}
    assert len(set(spaces.values())) == len(EXAMPLES)
    other = ENCODER.model_copy(update={"fingerprint": "g"})
    assert not set(spaces.values()) & {vector_space(model, other) for model in EXAMPLES.values()}
    renamed = ENCODER.model_copy(update={"name": "other", "revision": "2"})
    assert {name: vector_space(model, renamed) for name, model in EXAMPLES.items()} == spaces
