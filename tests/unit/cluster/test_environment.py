"""Environment files: the bundled ones are valid, and mistakes are told by file and field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from towerflow.cluster.environment import (
    IMAGE_USER,
    Environment,
    Step,
    environment_file,
)
from towerflow.cluster.server import CookieFile, Server, TokenFile
from towerflow.errors import InputError

ROOT = Path(__file__).parents[3]
DIGEST = f"@sha256:{'0a' * 32}"


def read(folder: Path, text: str) -> Environment:
    """The environment of a file with this text."""
    file = folder / "mine.yaml"
    file.write_text(text, "utf-8")
    return Environment.read(file)


def refusal(folder: Path, text: str) -> str:
    """What is told of such a file, after its name."""
    with pytest.raises(InputError) as caught:
        read(folder, text)
    sentence = str(caught.value)
    assert sentence.startswith(f"{folder / 'mine.yaml'}: ")
    return sentence.removeprefix(f"{folder / 'mine.yaml'}: ")


def test_the_steps_are_the_folders_of_the_components() -> None:
    folders = {path.parent.name for path in ROOT.glob("components/*/component.py")}
    assert {step.value for step in Step} == folders


@pytest.mark.parametrize("name", ["local", "dev", "prod"])
def test_the_bundled_environments_are_valid(name: str) -> None:
    path = ROOT / environment_file(name)
    environment = Environment.read(path)
    assert path.read_text("utf-8").startswith("# ")
    assert environment.server
    assert environment.run_as_user == IMAGE_USER
    for step in Step:
        assert environment.settings_of(step).timeout_seconds


def test_prod_takes_digests_alone_and_no_credentials_beside_the_code() -> None:
    prod = Environment.read(ROOT / environment_file("prod"))
    assert prod.images.only_by_digest
    assert isinstance(prod.server, Server)
    assert isinstance(prod.server.auth, TokenFile)
    dev = Environment.read(ROOT / environment_file("dev"))
    assert isinstance(dev.server, Server)
    assert isinstance(dev.server.auth, CookieFile)
    for path in (prod.server.auth.path, dev.server.auth.path):
        assert path.is_absolute()
        assert not path.is_relative_to(ROOT)


def test_an_environment_goes_by_name_or_file() -> None:
    assert environment_file("prod") == Path("environments/prod.yaml")
    assert environment_file("mine.yaml") == Path("mine.yaml")
    assert environment_file("there/mine.yml") == Path("there/mine.yml")


def test_a_step_has_its_own_settings_over_those_of_every_step(tmp_path: Path) -> None:
    environment = read(
        tmp_path,
        "description: x\n"
        "every_step: {cpu_request: '1', memory_limit: 8Gi}\n"
        "steps: {train: {memory_limit: 32Gi}}\n",
    )
    train, gate = environment.settings_of("train"), environment.settings_of("gate")
    assert (train.cpu_request, train.memory_limit) == ("1", "32Gi")
    assert (gate.cpu_request, gate.memory_limit) == ("1", "8Gi")


def test_kubernetes_may_choose_the_user(tmp_path: Path) -> None:
    assert read(tmp_path, "description: x\nrun_as_user: null").run_as_user is None


def test_a_file_that_is_missing_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    read(tmp_path, "description: x")
    with pytest.raises(InputError, match=r"no such file \(there are: mine\)"):
        Environment.read(tmp_path / "prdo.yaml")
    with pytest.raises(InputError, match=r"no such file \(there are: none\)"):
        Environment.read(tmp_path / "nowhere" / "prod.yaml")
    with pytest.raises(InputError, match="Is a directory"):
        Environment.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[", "line 1: expected YAML"),
        ("description: x\ndescription: y", "line 2: expected YAML, found the key 'description' a"),
        ("description: 2026-02-30", "line 1: expected YAML"),
        ("description: &a [*a]", "description: expected an environment"),
        ("description: x\nparameters: &a {columns: *a}", "parameters.columns"),
        ("description", "expected an environment (docs/kubeflow.md), found 'description'"),
        ("images: {}", "description: expected an environment"),
        ("description: x\nimage: {}", "image: expected"),
        ("description: x\nrun_as_user: 0", "run_as_user: expected"),
        ("description: x\nrun_as_user: true", "run_as_user: expected"),
        ("description: x\nrun_as_user: 2147483648", "run_as_user: expected"),
        (
            "description: x\nparameters: {columns: [.inf]}",
            "parameters.columns: expected an environment (docs/kubeflow.md), found a list: "
            "Value error, Out of range float values are not JSON compliant",
        ),
        ("description: x\nparameters: {min_rating: .nan}", "parameters.min_rating: expected"),
        ("description: x\nparameters: {split: 2026-01-01}", "parameters.split: expected"),
        ('description: x\nparameters: {split: "\\ud800"}', "surrogates not allowed"),
        ("description: x\nsteps: {trian: {}}", "steps.trian"),
        ("description: x\nsteps: {train: {memory: 1Gi}}", "steps.train.memory: expected"),
        ("description: x\nevery_step: {cpu_request: two}", "every_step.cpu_request: expected"),
        ("description: x\nimages: {cpu: towerflow}", "images.cpu: expected"),
        ("description: x\nimages: {cpu: 'Registry/towerflow:1'}", "images.cpu: expected"),
        ("description: x\nimages: {cpu: 'host:5000/towerflow'}", "images.cpu: expected"),
        ("description: x\nimages: {gpu: 'towerflow@sha256:12'}", "images.gpu: expected"),
        ("description: x\nimages: {gpu: 'towerflow:latest'}", "is another image every time"),
        (
            "description: x\nimages: {cpu: 'towerflow:1', only_by_digest: true}",
            "only_by_digest refuses tags",
        ),
        ("description: x\nimages: {pull_policy: Sometimes}", "images.pull_policy: expected"),
        (
            "description: x\nevery_step: {memory_request: 2Gi, memory_limit: 1Gi}",
            "every_step: expected settings that fit each other and those of every_step, "
            "found memory_request 2Gi is more than memory_limit 1Gi.",
        ),
        (
            "description: x\nevery_step: {memory_request: 8Gi}\nsteps: {gate: {memory_limit: 4Gi}}",
            "steps.gate: expected settings that fit each other and those of every_step, "
            "found memory_request 8Gi is more than memory_limit 4Gi.",
        ),
        (
            "description: x\nsteps: {train: {retries: {count: 2}}}",
            "steps.train: expected settings that fit each other and those of every_step, "
            "found retries, which KFP wants an end for, and no timeout_seconds.",
        ),
    ],
)
def test_mistakes_are_told_by_their_field(tmp_path: Path, text: str, sentence: str) -> None:
    assert sentence in refusal(tmp_path, text)


@pytest.mark.parametrize(
    "content",
    [b"description: \xff", pytest.param(b"[" * 2_000, id="deep"), b"description: x\0"],
)
def test_bytes_that_are_no_yaml(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.yaml: expected YAML, found "):
        Environment.read(tmp_path / "mine.yaml")


def test_a_secret_in_place_of_its_variable_is_told_nobody(tmp_path: Path) -> None:
    wrong = "{name: huggingface, variables: {token: s3cret}}"
    told = refusal(tmp_path, f"description: x\nsteps: {{train: {{secrets: [{wrong}]}}}}")
    assert told.startswith("steps.train.secrets.0.variables.token: expected an environment")
    assert "s3cret" not in told


def images(tmp_path: Path, variables: dict[str, str], **given: Any) -> dict[str, str]:
    """The images of an environment with `given`, beside environment variables."""
    text = yaml.safe_dump({"description": "x", "images": given})
    return read(tmp_path, text).image_variables(variables, tmp_path / "mine.yaml")


def test_variables_come_before_the_file(tmp_path: Path) -> None:
    found = images(
        tmp_path, {"TOWERFLOW_CPU_IMAGE": "host:5000/a/cpu:2"}, cpu="cpu:1", gpu=f"a/gpu:1{DIGEST}"
    )
    assert found == {
        "TOWERFLOW_CPU_IMAGE": "host:5000/a/cpu:2",
        "TOWERFLOW_GPU_IMAGE": f"a/gpu:1{DIGEST}",
    }


def test_a_missing_image_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        images(tmp_path, {}, cpu="cpu:1")
    assert str(caught.value) == (
        f"{tmp_path / 'mine.yaml'}: images.gpu: expected an image, here or in TOWERFLOW_GPU_IMAGE, "
        "found none; make push pushes both and writes their variables to build/images.env."
    )


def test_an_image_that_is_not_needed_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    environment = read(tmp_path, "description: x\nimages: {gpu: 'gpu:1'}\n")
    assert environment.image_variables({}, path, ["gpu"]) == {"TOWERFLOW_GPU_IMAGE": "gpu:1"}
    with pytest.raises(InputError, match=r"images\.cpu: expected an image"):
        environment.image_variables({}, path, ["cpu"])


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("towerflow", "expected an image with a tag or a digest, found 'towerflow'"),
        ("towerflow:1", "'towerflow:1': only_by_digest refuses tags"),
        ("towerflow:latest", ":latest is another image every time"),
    ],
)
def test_variables_are_checked_as_the_file_is(tmp_path: Path, image: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        images(tmp_path, {"TOWERFLOW_CPU_IMAGE": image}, gpu=f"gpu{DIGEST}", only_by_digest=True)
    assert str(caught.value).startswith("TOWERFLOW_CPU_IMAGE: expected an image")
    assert sentence in str(caught.value)
