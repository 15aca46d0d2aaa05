"""A recipe that says only what differs from another."""

import pytest

from towerflow.errors import InputError
from towerflow.recipes import load_recipe, parse_recipe


def test_only_what_is_said_differs() -> None:
    base = load_recipe("sgl")
    found = parse_recipe(
        "description: mine\nextends: sgl\nmodel: {dim: 32}\ntraining: {seed: 4}", "mine"
    )
    assert found.model.model_dump() == base.model.model_dump() | {"dim": 32}
    assert found.training.model_dump() == base.training.model_dump() | {"seed": 4}
    assert found.description == "mine"


def test_it_goes_through_several_generations() -> None:
    """llminit-sgl-pca extends sgl."""
    found = parse_recipe("extends: llminit-sgl-pca\ndescription: mine", "mine")
    assert found.training == load_recipe("sgl").training
    assert found.model == load_recipe("llminit-sgl-pca").model


def test_another_kind_replaces_all_that_was_of_the_first() -> None:
    text = "description: mine\nextends: sgl\ntraining: {objective: {kind: lightgcn}}"
    objective = parse_recipe(text, "mine").training.objective
    assert objective == load_recipe("lightgcn").training.objective


@pytest.mark.parametrize("name", ["nothing", "", "3", "[sgl]", "../sgl"])
def test_what_is_extended_must_be_there(name: str) -> None:
    with pytest.raises(InputError, match="extends: expected the name of another recipe"):
        parse_recipe(f"extends: {name}\ndescription: mine", "mine")


def test_a_key_that_no_recipe_has_is_still_refused() -> None:
    with pytest.raises(InputError, match=r"model.graph_cf.dims: .* Extra inputs"):
        parse_recipe("description: mine\nextends: sgl\nmodel: {dims: 3}", "mine")


def test_it_has_to_describe_itself() -> None:
    with pytest.raises(InputError, match=r"description: .* Field required"):
        parse_recipe("extends: sgl\nmodel: {dim: 32}", "mine")
