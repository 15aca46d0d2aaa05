"""Arguments of a run, against the parameters of a compiled pipeline."""

from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue

from towerflow.cluster.parameters import MAX_BYTES, CompiledPipeline, read_arguments
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
    "train": {
        "cachingOptions": {"enableCache": True},
        "dependentTasks": ["read"],
        "inputs": {"artifacts": {"dataset": {"taskOutputArtifact": {"producerTask": "read"}}}},
    },
    "measure": {
        "cachingOptions": {"enableCache": True},
        "dependentTasks": ["read"],
        "inputs": {"parameters": {"shard": {"taskOutputParameter": {"producerTask": "read"}}}},
    },
    # It waits for one task and gets nothing from it.
    "later": {
        "cachingOptions": {"enableCache": True},
        "dependentTasks": ["read"],
        "inputs": {"parameters": {"items": {"componentInputParameter": "items"}}},
    },
    "list-trials": {"cachingOptions": {"enableCache": True}},
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


def test_the_cache_is_told_of_where_it_hides_what_has_changed(compiled: CompiledPipeline) -> None:
    assert compiled.cached_at_the_start() == ["later", "read"]


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
        ("items=💡", "💡"),
        pytest.param(f"margin=1{'0' * 300}", 10**300, id="large"),
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
        pytest.param(f"margin={'9' * 400}", "a number", id="larger than any double"),
        ("slices=[NaN]", "a JSON list"),
        ("slices=[1e999]", "a JSON list"),
        ('slices=["\\ud800"]', "a JSON list"),
        ('more={"a": -Infinity}', "a JSON object"),
        pytest.param("slices=" + "[" * 100_000, "a JSON list", id="deep list"),
        pytest.param(f"margin={'[' * 900}{']' * 900}", "a number", id="deep number"),
        ("items=\udcff", "a text"),  # as bytes arrive that are not UTF-8
        ("slices=\udcff", "a JSON list"),
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


@pytest.mark.parametrize("letter", ["x", "é"])
def test_the_limit_is_in_bytes(compiled: CompiledPipeline, letter: str) -> None:
    room = MAX_BYTES - len('{"items": ""}')
    fits = letter * (room // len(letter.encode()))
    assert compiled.arguments({"items": fits}, []) == {"items": fits}
    with pytest.raises(InputError, match="bytes as JSON"):
        compiled.arguments({"items": fits + letter}, [])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("seed: [", "line 1: expected YAML"),
        ("seed: 1\nseed: 2", "line 2: expected YAML, found the key 'seed' a second time"),
        ("day: 2026-02-30", "line 1: expected YAML"),
        ('items: "\\ud800"', "line 1: expected YAML"),
        pytest.param("[" * 2_000, "expected YAML, found lists or mappings", id="deep"),
        ("more: &a {more: *a}", "expected values that JSON has, found Circular reference"),
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


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a file, found No such file"):
        read_arguments(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_bytes(b"items: \xff")
    with pytest.raises(InputError, match=r"params.yaml: expected YAML, found unacceptable"):
        read_arguments(tmp_path / "params.yaml")
