"""`python -m pipelines compile`: what no pipeline could be run with is refused."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import compiler

from pipelines.__main__ import main
from pipelines.compiling import PIPELINES

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "kubeflow.md").read_text("utf-8")
PLAIN = "description: x\nimages: {cpu: 'cpu:1', gpu: 'gpu:1'}\n"


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        (
            "parameters: {gpu_cuont: 2}",
            [],
            "mine.yaml: parameters.gpu_cuont: expected a parameter of a pipeline, "
            "found one that none of them has.",
        ),
        (
            "parameters: {gpu_count: '2'}",
            [],
            "mine.yaml: parameters.gpu_count: expected a whole number, found '2'.",
        ),
        ("parameters: {gpu_count: true}", [], "expected a whole number, found 'true'."),
        ("parameters: {gpu_count: 1.5}", [], "expected a whole number, found '1.5'."),
        ("parameters: {columns: item_id=asin}", [], "parameters.columns: expected a JSON list"),
        ("parameters: {encoder: null}", [], "parameters.encoder: expected a text, found 'null'."),
        ("parameters: {hide_history: 1}", [], "expected true or false, found '1'."),
        ("steps: {trian: {}}", [], "mine.yaml: steps.trian"),
        (
            "",
            ["--kubernetes-manifest-format", "--version", "V 1"],
            "--version: expected small letters and digits, with single dots and with dashes "
            "between them, as Kubernetes names objects, found 'V 1'.",
        ),
        *(
            ("", ["--kubernetes-manifest-format", f"--version={name}"], f"found '{name}'.")
            for name in ("1..0", ".1", "1.", "1.-0", "1-.0", "-1", "1-", "1" * 201)
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
    options: list[str],
    sentence: str,
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})  # which compiling changes
    file = tmp_path / "mine.yaml"
    file.write_text(PLAIN + text, "utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["compile", "--env", str(file), "--output", str(tmp_path / "out"), *options])
    told = capsys.readouterr().err
    assert sentence in told
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_what_traces_a_dag_itself_may_name_an_environment() -> None:
    """As a compiler of one's own does, and `dsl-compile`."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from pipelines.retrain import retrain; print(retrain.platform_spec)",
        ],
        cwd=ROOT,
        env={**os.environ, "TOWERFLOW_ENVIRONMENT": "local"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert "towerflow-tmp" in done.stdout


def test_parts_of_a_version_may_have_dashes_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})
    options = ["--kubernetes-manifest-format", "--version", "0a1--b-57.1.x"]
    main(["compile", "--output", str(tmp_path), *options])
    names = [f"{name}.manifest.yaml" for name in PIPELINES]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_written_if_one_pipeline_does_not_compile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    output = tmp_path / "out"
    if there:
        output.mkdir()
        (output / "retrain.yaml").write_text("of before")
    compile_one = compiler.Compiler.compile

    def fail_at_the_third(self: compiler.Compiler, graph: Any, path: str, **given: Any) -> None:
        if "compare_models" in path:
            raise TypeError("kfp cannot")
        compile_one(self, graph, path, **given)

    monkeypatch.setattr(os, "environ", {**os.environ})
    monkeypatch.setattr(compiler.Compiler, "compile", fail_at_the_third)
    with pytest.raises(TypeError, match="kfp cannot"):
        main(["compile", "--output", str(output)])
    if there:
        assert [path.name for path in output.iterdir()] == ["retrain.yaml"]
        assert (output / "retrain.yaml").read_text() == "of before"
    else:
        assert not output.exists()


def parameters(name: str) -> set[str]:
    """Those of a compiled pipeline, as the golden YAML has them."""
    text = (ROOT / "tests" / "pipelines" / "golden" / f"{name}.yaml").read_text("utf-8")
    spec = next(yaml.safe_load_all(text))
    return set(spec["root"]["inputDefinitions"]["parameters"])


def documented() -> dict[str, set[str]]:
    """Parameters of retrain by their group, as docs/kubeflow.md has them."""
    table = re.search(r"^\| group \| parameters(?:.*\n)+?\n", DOCS, re.MULTILINE)
    assert table
    groups: dict[str, set[str]] = {}
    group = ""
    for _, first, names, *_ in (row.split("|") for row in table[0].splitlines()[2:-1]):
        group = first.strip() or group
        groups.setdefault(group, set()).update(re.findall(r"`(\w+)`", names))
    return groups


def test_the_docs_have_each_parameter_of_retrain_once() -> None:
    groups = documented()
    assert sum(map(len, groups.values())) == len(parameters("retrain"))
    assert set().union(*groups.values()) == parameters("retrain")


@pytest.mark.parametrize(
    ("name", "instead"), [("refresh_items", set()), ("compare_models", {"recipes", "seeds"})]
)
def test_the_docs_tell_what_other_pipelines_lack(name: str, instead: set[str]) -> None:
    groups = documented()
    told = re.search(rf"- `{name}` has no group (.+?), and lacks ([^;]+);", DOCS)
    assert told
    without = [groups[group] for group in re.findall(r"\w+", told[1]) if group != "or"]
    lacking = set(re.findall(r"`(\w+)`", told[2])).union(*without)
    assert parameters("retrain") - parameters(name) == lacking
    assert parameters(name) - parameters("retrain") == instead
