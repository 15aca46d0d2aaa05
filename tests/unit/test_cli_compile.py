"""`towerflow compile`: for an environment or for none, mistakes in one sentence."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from towerflow.cli import app
from towerflow.cli_compile import build_folder
from towerflow.cluster.parameters import CompiledPipeline
from towerflow.cluster.requests import upload_request
from towerflow.cluster.server import Server
from towerflow.cluster.versions import commit_version
from towerflow.errors import InputError

ROOT = Path(__file__).parents[2]
NAMES = ("retrain", "refresh_items", "compare_models")
COMMIT = ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "--allow-empty"]
PLAIN = "description: x\nimages: {cpu: 'cpu:1', gpu: 'gpu:1'}\n"


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In a folder without environments."""
    monkeypatch.chdir(tmp_path)


def compiled(*options: str) -> list[str]:
    """The files that `towerflow compile` says it wrote."""
    done = CliRunner().invoke(app, ["compile", *options])
    assert done.exit_code == 0, done.output
    return done.output.split()


def environment(folder: Path, text: str = "") -> str:
    """A file of an environment."""
    (folder / "mine.yaml").write_text(PLAIN + text, "utf-8")
    return str(folder / "mine.yaml")


def test_each_environment_has_a_folder_of_its_own() -> None:
    assert build_folder("") == Path("build")
    assert build_folder("prod") == Path("build/prod")
    assert build_folder("there/mine.yaml") == Path("build/mine")


def test_without_an_environment_nothing_is_asked_of_kubernetes(tmp_path: Path) -> None:
    assert compiled() == [f"build/{name}.yaml" for name in NAMES]
    for name in NAMES:
        [_] = yaml.safe_load_all((tmp_path / f"build/{name}.yaml").read_text("utf-8"))


@pytest.mark.parametrize("by_variable", [False, True])
def test_an_environment_is_named_by_option_or_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_variable: bool
) -> None:
    text = "every_step: {memory_limit: 3Gi}\nparameters: {gpu_count: 2, min_rating: 1}\n"
    file = environment(tmp_path, text)
    if by_variable:
        monkeypatch.setenv("TOWERFLOW_ENVIRONMENT", file)
    found = compiled() if by_variable else compiled("--env", file)
    assert found == [f"build/mine/{name}.yaml" for name in NAMES]
    spec, _ = yaml.safe_load_all((tmp_path / "build/mine/retrain.yaml").read_text("utf-8"))
    executors = spec["deploymentSpec"]["executors"]
    assert {one["container"]["image"] for one in executors.values()} == {"cpu:1", "gpu:1"}
    for executor in executors.values():
        assert executor["container"]["resources"]["resourceMemoryLimit"] == "3Gi"
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["gpu_count"]["defaultValue"] == 2
    assert parameters["min_rating"]["defaultValue"] == 1  # a whole number is a number


def test_manifests_are_what_gitops_applies(tmp_path: Path) -> None:
    server = "server: {endpoint: 'http://localhost:8080', namespace: recsys}\n"
    options = ["--env", environment(tmp_path, server), "--output", "out"]
    found = compiled(*options, "--kubernetes-manifest-format", "--version", "v1.2")
    assert found == [f"out/{name}.manifest.yaml" for name in NAMES]
    text = (tmp_path / "out/retrain.manifest.yaml").read_text("utf-8")
    pipeline, version = yaml.safe_load_all(text)
    for one, kind in ((pipeline, "Pipeline"), (version, "PipelineVersion")):
        assert one["apiVersion"] == "pipelines.kubeflow.org/v2beta1"
        assert one["kind"] == kind
        assert one["metadata"]["namespace"] == "recsys"
    assert pipeline["metadata"]["name"] == version["spec"]["pipelineName"] == "towerflow-retrain"
    assert version["metadata"]["name"] == "towerflow-retrain-v1.2"
    assert version["spec"]["displayName"] == "v1.2"
    assert version["spec"]["pipelineSpec"]["pipelineInfo"]["name"] == "towerflow-retrain"
    assert version["spec"]["platformSpec"]["platforms"]["kubernetes"]


def test_gitops_and_upload_give_the_same_names(tmp_path: Path) -> None:
    """`submit --uploaded` and `schedule` look for display names, whoever gave them."""
    server = Server(endpoint="http://localhost:8080")
    file = environment(tmp_path)
    compiled("--env", file, "--output", "out")
    compiled("--env", file, "--output", "out", "--kubernetes-manifest-format", "--version", "v1")
    for name in NAMES:
        package = tmp_path / f"out/{name}.yaml"
        request = upload_request(CompiledPipeline.read(package), package, "v1")
        create, upload = request.calls(server)
        text = (tmp_path / f"out/{name}.manifest.yaml").read_text("utf-8")
        pipeline, version = yaml.safe_load_all(text)
        assert create.body
        assert pipeline["spec"]["displayName"] == create.body["display_name"]
        assert version["spec"]["displayName"] == upload.query["name"]


def test_a_version_is_of_manifests_alone(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["compile", "--version", "v1"])
    told = "--version: expected --kubernetes-manifest-format beside it, found none."
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("afile", "File exists"),
        ("/proc/none", "No such file or directory"),
        ("taken", "Is a directory"),
    ],
)
def test_an_output_that_nothing_can_be_written_into(tmp_path: Path, output: str, why: str) -> None:
    (tmp_path / "afile").touch()
    (tmp_path / "taken/retrain.yaml").mkdir(parents=True)
    done = CliRunner().invoke(app, ["compile", "--output", output])
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == (
        f"--output: expected a folder that files can be written into, found '{output}': {why}."
    )


def test_a_folder_may_begin_with_a_dash() -> None:
    assert compiled("--output=-x") == [f"-x/{name}.yaml" for name in NAMES]


@pytest.mark.parametrize("option", ["--env", "--version"])
def test_a_value_that_begins_with_a_dash_is_a_value(option: str) -> None:
    options = ["--kubernetes-manifest-format", "--version=v1", f"{option}=-x"]
    done = CliRunner().invoke(app, ["compile", *options])
    assert isinstance(done.exception, InputError)
    told = {"--env": "environments/-x.yaml: expected", "--version": "them, as Kubernetes names"}
    assert told[option] in str(done.exception)


def test_a_version_is_named_by_its_commit(tmp_path: Path) -> None:
    for command in (["init", "-q"], [*COMMIT, "-qm", "One."]):
        subprocess.run(["git", *command], check=True)
    commit = commit_version()
    compiled("--kubernetes-manifest-format", "--output", str(tmp_path))
    text = (tmp_path / "refresh_items.manifest.yaml").read_text("utf-8")
    _, version = yaml.safe_load_all(text)
    assert version["metadata"]["name"] == f"towerflow-refresh-items-{commit}"
    assert "namespace" not in version["metadata"]


def test_a_mistake_is_one_sentence(tmp_path: Path) -> None:
    """Found by the process that compiles, told by this one."""
    file = environment(tmp_path, "parameters: {gpu_cuont: 2}")
    done = subprocess.run(
        [sys.executable, "-m", "towerflow", "compile", "--env", file],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {file}: parameters.gpu_cuont: expected a parameter of a pipeline, "
        "found one that none of them has.\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_missing_images_and_an_unknown_environment_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    for env, sentence in (
        ("prod", "^environments/prod.yaml: images.cpu: expected an image"),
        ("prdo", r"^environments/prdo.yaml: .* \(there are: dev, local, prod\)\.$"),
    ):
        done = CliRunner().invoke(app, ["compile", "--env", env])
        assert isinstance(done.exception, InputError)
        assert re.search(sentence, str(done.exception))
