"""Arguments of a run, against the parameters of a compiled pipeline."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from towerflow.cluster.parameters import LARGEST, CompiledPipeline, read_arguments
from towerflow.errors import InputError

PARAMETERS = {
    "items": {"parameterType": "STRING"},
    "seed": {"parameterType": "NUMBER_INTEGER", "defaultValue": -1.0, "isOptional": True},
    "margin": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.5},
    "hide": {"parameterType": "BOOLEAN", "isOptional": True},
    "slices": {"parameterType": "LIST", "isOptional": True},
    "more": {"parameterType": "STRUCT", "isOptional": True},
}
TASKS = {
    "read": {"cachingOptions": {"enableCache": True}},
    "champion": {"cachingOptions": {}},
    "train": {"cachingOptions": {"enableCache": True}, "dependentTasks": ["read"]},
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> CompiledPipeline:
    """A small pipeline, as kfp's compiler writes it."""
    path = tmp_path_factory.mktemp("compiled") / "small.yaml"
    root = {"inputDefinitions": {"parameters": PARAMETERS}, "dag": {"tasks": TASKS}}
    documents = [{"pipelineInfo": {"name": "small"}, "root": root}, {"platforms": {}}]
    path.write_text(yaml.safe_dump_all(documents), "utf-8")
    return CompiledPipeline.read(path)


def test_both_documents_are_read(compiled: CompiledPipeline) -> None:
    assert compiled.name == "small"
    assert [name for name, one in compiled.parameters.items() if one.required] == ["items"]
    assert compiled.platform == {"platforms": {}}
    assert compiled.cached_at_the_start() == ["read"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=3", 3),
        ("seed=-3", -3),
        ("margin=1", 1),
        ("margin=1e-3", 0.001),
        ("hide=true", True),
        ('slices=["a", "b"]', ["a", "b"]),
        ("slices=[]", []),
        ('more={"a": 1}', {"a": 1}),
        ("items=3", "3"),
        ("items=a=b", "a=b"),
        ("items=@@a", "@a"),
    ],
)
def test_texts_get_the_parameter_s_type(
    compiled: CompiledPipeline, text: str, value: JsonValue
) -> None:
    found = compiled.arguments({"items": "x"}, [text])
    assert found[text.partition("=")[0]] == value
    assert type(found[text.partition("=")[0]]) is type(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed=3.0", "a whole number"),
        ("seed=true", "a whole number"),
        ("seed=9007199254740993", "a whole number"),  # no double is that
        (f"seed={'9' * 5000}", "a whole number"),
        ("margin=NaN", "a number"),
        ("margin=1e999", "a number"),
        ("margin=true", "a number"),
        ("hide=True", "true or false"),
        ("hide=1", "true or false"),
        ("slices=a,b", "a JSON list"),
        ('slices={"a": 1}', "a JSON list"),
        ("more=[1]", "a JSON object"),
        ("sed=1", "a parameter of small, found 'sed'; near it: seed"),
        ("zzz=1", "a parameter of small, found 'zzz'."),
    ],
)
def test_wrong_types_and_names_are_told(
    compiled: CompiledPipeline, text: str, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        compiled.arguments({"items": "x"}, [text])
    assert f"expected {expected}" in str(caught.value)
    assert str(caught.value).startswith("--param")


@pytest.mark.parametrize(
    ("given_file", "expected"),
    [
        ({"items": 3}, "--params: items: expected a text, found '3'."),
        ({"items": "x", "seed": "3"}, "--params: seed: expected a whole number, found '3'."),
        ({"items": "x", "hide": 1}, "--params: hide: expected true or false"),
        ({"what": 1}, "--params: expected a parameter of small, found 'what'"),
    ],
)
def test_types_of_a_file_are_kept(
    compiled: CompiledPipeline, given_file: dict[str, JsonValue], expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        compiled.arguments(given_file, [])
    assert expected in str(caught.value)


def test_what_is_missing_is_named(compiled: CompiledPipeline) -> None:
    with pytest.raises(InputError, match=r"found none of items; give --param items=…"):
        compiled.arguments({}, [])


@given(st.text(alphabet="aé", max_size=LARGEST + 20))
def test_the_limit_is_in_bytes(compiled: CompiledPipeline, text: str) -> None:
    size = len('{"items": ""}') + len(text.encode())
    if size <= LARGEST:
        assert compiled.arguments({"items": text}, []) == {"items": text}
        return
    with pytest.raises(InputError, match=f"found {size:,} bytes"):
        compiled.arguments({"items": text}, [])


@pytest.mark.parametrize("length", [LARGEST - 13, LARGEST - 12])
def test_the_limit_itself(compiled: CompiledPipeline, length: int) -> None:
    fits = length + len('{"items": ""}') <= LARGEST
    try:
        compiled.arguments({"items": "x" * length}, [])
    except InputError:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("seed: [", "expected YAML"),
        ("- seed", "expected arguments by name, as seed: 3, found list"),
        ("3: 4", "expected arguments by name"),
        ("", "found NoneType"),
        ("day: 2026-01-01", "put dates in quotes"),
        ("margin: .inf", "expected values that JSON has"),
    ],
)
def test_files_that_hold_no_arguments(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content, "utf-8")
    with pytest.raises(InputError, match=r"params.yaml") as caught:
        read_arguments(path)
    assert told in str(caught.value)
