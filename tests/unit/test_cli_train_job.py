"""`towerflow train-job`: what it refuses, and its manifest run as the cluster would run it."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from typer.testing import CliRunner, Result

from tests.conftest import SMALL_RECIPE, Run
from towerflow.cli import app
from towerflow.errors import InputError
from towerflow.models.files import load_model
from towerflow.recipes import load_recipe, recipe_names

IMAGES: Final = {"TOWERFLOW_GPU_IMAGE": "gpu:1"}  # no other is used
ON_VOLUME: Final = {"dataset": "/data/d", "item-embeddings": "/data/e", "model": "/data/m"}


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    path = tmp_path / "here.yaml"
    path.write_text(
        "description: of a test\n"
        "server: {endpoint: 'http://localhost:8080', namespace: mine}\n"
        "steps:\n  train:\n"
        "    volumes: [{claim: data, mount_path: /data}]\n"
        "    node_selector: {pool: gpus}\n"
        "    retries: {count: 2}\n"
        "    timeout_seconds: 60\n"
    )
    return path


def call(environment: Path, **options: object) -> Result:
    given = {**ON_VOLUME, "env": environment}
    given |= {name.replace("_", "-"): value for name, value in options.items()}
    arguments = [part for name, value in given.items() for part in (f"--{name}", str(value))]
    return CliRunner().invoke(app, ["train-job", *arguments], env=IMAGES)


def manifest_of(environment: Path, **options: object) -> dict[str, Any]:
    done = call(environment, **options)
    assert done.exit_code == 0, done.output
    manifest: dict[str, Any] = yaml.safe_load(done.stdout)
    return manifest


def refusal(environment: Path, **options: object) -> str:
    done = call(environment, **options)
    assert isinstance(done.exception, InputError), done.output
    return str(done.exception)


def test_it_prints_an_object_for_kubectl(environment: Path) -> None:
    manifest = manifest_of(environment, nodes=3, gpus_per_node=2, name="nightly")
    assert manifest["apiVersion"] == "trainer.kubeflow.org/v1alpha1"
    assert manifest["metadata"]["name"] == "nightly"
    assert manifest["metadata"]["namespace"] == "mine"
    trainer = manifest["spec"]["trainer"]
    assert (trainer["image"], trainer["numNodes"], trainer["numProcPerNode"]) == ("gpu:1", 3, 2)
    other = call(environment, kind="pytorch-job").stdout
    assert yaml.safe_load(other)["kind"] == "PyTorchJob"
    assert "&id" not in other  # master and worker are written out


def test_an_environment_is_named_by_option_or_variable(environment: Path) -> None:
    arguments = [part for name, value in ON_VOLUME.items() for part in (f"--{name}", value)]
    variables = {**IMAGES, "TOWERFLOW_ENVIRONMENT": str(environment)}
    done = CliRunner().invoke(app, ["train-job", *arguments], env=variables)
    assert done.stdout == call(environment).stdout != ""
    done = CliRunner().invoke(app, ["train-job", *arguments], env=IMAGES)
    assert str(done.exception) == (
        "--env: expected an environment, here or in TOWERFLOW_ENVIRONMENT, found none."
    )


def test_it_says_what_the_object_has_no_field_for(environment: Path) -> None:
    told = "the runtime torch-distributed decides on retries (its JobSet's failurePolicy)"
    assert told in call(environment).stderr
    assert call(environment, kind="pytorch-job").stderr == ""


def test_it_writes_the_same_to_a_file(environment: Path, tmp_path: Path) -> None:
    done = call(environment, output=tmp_path / "job.yaml")
    assert done.exit_code == 0
    assert yaml.safe_load((tmp_path / "job.yaml").read_text()) == manifest_of(environment)


@pytest.mark.parametrize(
    ("option", "path"),
    [
        ("dataset", "data/d"),
        ("dataset", "/database/d"),
        ("dataset", "/data/../etc"),
        ("dataset", "gs://bucket/d"),
        ("item_embeddings", "/elsewhere/e"),
        ("item_embeddings", "gs://bucket/e"),
        ("model", "/data"),
        ("model", "s3://bucket/m"),
        ("initial_model", "/home/m"),
        ("checkpoints", "states"),
    ],
)
def test_a_path_that_no_pod_would_see_is_refused(environment: Path, option: str, path: str) -> None:
    told = refusal(environment, **{option: path})
    assert told.startswith(f"--{option.replace('_', '-')}: expected a folder on a volume")
    assert f"{environment} (/data)" in told
    assert told.endswith(f"found '{path}'.")
    assert ("or a URI" in told) == (option in ("initial_model", "checkpoints"))


def test_what_training_reads_from_a_store_may_be_a_uri(environment: Path) -> None:
    manifest = manifest_of(environment, initial_model="gs://b/m", checkpoints="s3://b/c")
    assert manifest["spec"]["trainer"]["args"][-2:] == [
        "--initial-model=gs://b/m",
        "--checkpoints=s3://b/c",
    ]


def test_an_environment_without_a_volume_says_so(tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("description: of a test\n")
    assert "(there is none), found '/data/d'" in refusal(tmp_path / "bare.yaml")


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_that_processes_can_not_share_are_refused_for_several(
    environment: Path, name: str
) -> None:
    if load_recipe(name).can_be_shared:
        manifest_of(environment, recipe=name, nodes=2)
        return
    told = refusal(environment, recipe=name, nodes=2)
    assert "model.kind: expected one that several processes can train, as learn" in told
    assert refusal(environment, recipe=name, nodes=1, gpus_per_node=2) == told
    manifest_of(environment, recipe=name, nodes=1)


def test_a_recipe_that_there_is_not_is_refused(environment: Path) -> None:
    assert "found 'lern'" in refusal(environment, recipe="lern")
    assert "found nothing there" in refusal(environment, recipe="lern.yaml")


@pytest.mark.parametrize(
    ("option", "value"), [("name", "My_Job"), ("gpu_type", "a b"), ("runtime", "A")]
)
def test_a_name_that_kubernetes_would_refuse_is_told(
    environment: Path, option: str, value: str
) -> None:
    assert f"train-job: {option}: expected names as in Kubernetes" in refusal(
        environment, **{option: value}
    )


def container_of(manifest: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Command with arguments, and what the controller would set of PET_NNODES and the like."""
    spec = manifest["spec"]
    if manifest["kind"] == "TrainJob":
        found, nodes, processes = spec["trainer"], spec["trainer"]["numNodes"], 0
        processes = spec["trainer"]["numProcPerNode"]
    else:
        replicas = spec["pytorchReplicaSpecs"]
        [found] = replicas["Worker"]["template"]["spec"]["containers"]
        nodes = sum(replica["replicas"] for replica in replicas.values())
        processes = spec["nprocPerNode"]
    # Kubernetes makes one $ of two.
    command = [part.replace("$$", "$") for part in found["command"] + found["args"]]
    return command, {"PET_NNODES": str(nodes), "PET_NPROC_PER_NODE": str(processes)}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.parametrize("kind", ["train-job", "pytorch-job"])
def test_two_nodes_train_what_two_processes_of_one_do(
    shop_run: Run, environment: Path, tmp_path: Path, kind: str
) -> None:
    """The rendered command on two "nodes" of this machine, in the controllers' variables."""
    recipe = SMALL_RECIPE.replace("epochs: 60", "epochs: 2").replace("a test", "a $(TEST) for $5")
    (tmp_path / "recipe.yaml").write_text(recipe.rstrip())
    environment.write_text(environment.read_text().replace("/data", str(tmp_path.parent)))
    dataset, embeddings = (
        tmp_path / folder.name for folder in (shop_run.dataset, shop_run.item_embeddings)
    )
    dataset.symlink_to(shop_run.dataset)
    embeddings.symlink_to(shop_run.item_embeddings)
    options = {
        "dataset": dataset,
        "item_embeddings": embeddings,
        "model": tmp_path / "two-nodes",
        "recipe": tmp_path / "recipe.yaml",
        "seed": 3,
        "checkpoints": tmp_path / "states",
    }
    manifest = manifest_of(environment, kind=kind, nodes=2, gpus_per_node=0, **options)
    command, variables = container_of(manifest)
    assert variables == {"PET_NNODES": "2", "PET_NPROC_PER_NODE": "1"}
    run_nodes(command, variables, 2)
    assert list((tmp_path / "states").iterdir()) == []

    on_one = [part.replace("two-nodes", "one-node") for part in command]
    run_nodes(on_one, {"PET_NNODES": "1", "PET_NPROC_PER_NODE": "2"}, 1)
    two, one = (load_model(tmp_path / name).tensors() for name in ("two-nodes", "one-node"))
    assert set(two) == set(one)
    assert all((two[name] - one[name]).abs().max() == 0 for name in one)


def run_nodes(command: list[str], variables: dict[str, str], count: int) -> None:
    common = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PET_")},
        **variables,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    nodes = [
        subprocess.Popen(
            command,
            env={**common, "PET_NODE_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]
    for node in nodes:
        _, said = node.communicate(timeout=900)
        assert node.returncode == 0, said
