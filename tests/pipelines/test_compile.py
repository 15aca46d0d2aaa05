"""`python -m pipelines compile`: what no pipeline could be run with is refused."""

import os
from pathlib import Path

import pytest

from pipelines.__main__ import main

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
            "--version: expected small letters, digits, dashes and dots, as Kubernetes names "
            "objects, found 'V 1'.",
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
