"""Every pipeline for every environment: what is compiled can be taken by KFP and by Kubernetes."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec, PlatformSpec

from pipelines.compiling import PIPELINES
from tests.pipelines.pods import Json, pods
from tests.pod_security import KUBERNETES, violations
from towerflow.cluster.environment import Environment, environment_file
from towerflow.cluster.parameters import MAX_BYTES
from towerflow.recipes import recipe_names

ENVIRONMENTS = ("local", "dev", "prod")
EACH = [(env, name) for env in ENVIRONMENTS for name in PIPELINES]
LARGEST_YAML = 200_000  # bytes; a workflow of Argo's holds it and has to fit into etcd
IMAGES = {
    f"TOWERFLOW_{kind}_IMAGE": f"registry.example.com/towerflow-{kind.lower()}@sha256:{'ab' * 32}"
    for kind in ("CPU", "GPU")
}
TOKEN = "hf_value-of-the-secret"  # noqa: S105


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pipelines for all environments, in folders of their names."""
    folder = tmp_path_factory.mktemp("environments")
    for env in ENVIRONMENTS:
        subprocess.run(
            compile_command(env, folder / env),
            env={**os.environ, **IMAGES, "HF_TOKEN": TOKEN},
            check=True,
            capture_output=True,
        )
    return folder


def compile_command(env: str, output: Path) -> list[str]:
    """What compiles all pipelines for an environment."""
    command = [sys.executable, "-m", "pipelines", "compile"]
    return [*command, "--env", env, "--output", str(output)]


def documents(compiled: Path, env: str, name: str) -> tuple[Json, Json]:
    """The pipeline, and what it asks of Kubernetes."""
    spec, platform = yaml.safe_load_all((compiled / env / f"{name}.yaml").read_text("utf-8"))
    return spec, platform


@pytest.mark.parametrize(("env", "name"), EACH)
def test_the_yaml_is_small(compiled: Path, env: str, name: str) -> None:
    assert (compiled / env / f"{name}.yaml").stat().st_size < LARGEST_YAML


@pytest.mark.parametrize(("env", "name"), EACH)
def test_both_documents_are_what_kfps_protobufs_say(compiled: Path, env: str, name: str) -> None:
    spec, platform = documents(compiled, env, name)
    json_format.ParseDict(spec, PipelineSpec())
    json_format.ParseDict(platform, PlatformSpec())
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert set(configs) == set(spec["deploymentSpec"]["executors"])
    for config in configs.values():
        json_format.ParseDict(config, KubernetesExecutorConfig())


def test_a_field_that_kfp_does_not_know_is_found(compiled: Path) -> None:
    _, platform = documents(compiled, "prod", "retrain")
    configs = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    train = {**configs["exec-train"], "activeDeadline": "1"}
    with pytest.raises(json_format.ParseError, match="no field named"):
        json_format.ParseDict(train, KubernetesExecutorConfig())


@pytest.mark.parametrize(("env", "name"), EACH)
def test_parameters_keep_descriptions_and_have_the_environments_defaults(
    compiled: Path, env: str, name: str
) -> None:
    spec, _ = documents(compiled, env, name)
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert [key for key, one in parameters.items() if not one.get("description")] == []
    ours = Environment.read(environment_file(env)).parameters
    taken = {key: parameters[key] for key in ours if key in parameters}
    assert taken
    for key, parameter in taken.items():
        assert (parameter["defaultValue"], parameter["isOptional"]) == (ours[key], True)


def largest(spec: Json) -> dict[str, Any]:
    """Arguments as large as anybody is likely to give them."""
    bundled = resources.files("towerflow.recipes")
    recipe = max(
        ((bundled / f"{name}.yaml").read_text("utf-8") for name in recipe_names()), key=len
    )
    uri = f"gs://{'a-bucket-with-a-long-name' * 2}/{'a/folder/far/down/' * 8}"
    large = {
        "recipe": recipe,
        "recipes": [*recipe_names(), recipe],
        "seeds": list(range(10)),
        "columns": [
            f"field_{number:02}=first_column_{number}+second_column" for number in range(20)
        ],
        "slice_columns": [f"column_of_a_slice_{number}" for number in range(10)],
        "guarded_slices": [f"column_of_a_slice_{number}: *=0.05" for number in range(10)],
        "beam_options": [f"an_option_of_dataflow_{number}=its-value" for number in range(20)],
        "prompt": "Describe for whom the item is, in one word: {text} " * 6,
        "item_template": "{title} of {brand}, {categories}: {description} " * 6,
        "force": "Approved by the team in charge, see the ticket. " * 4,
    }
    found = {}
    for name, one in spec["root"]["inputDefinitions"]["parameters"].items():
        found[name] = large.get(name, one.get("defaultValue"))
        if one["parameterType"] == "STRING" and found[name] in (None, ""):
            found[name] = uri
    return found


@pytest.mark.parametrize("name", PIPELINES)
def test_large_arguments_are_still_taken_by_the_server(compiled: Path, name: str) -> None:
    spec, _ = documents(compiled, "prod", name)
    assert len(json.dumps(largest(spec)).encode()) < MAX_BYTES


@pytest.mark.parametrize(("env", "name"), EACH)
def test_every_task_is_a_pod_that_kubernetes_takes(compiled: Path, env: str, name: str) -> None:
    for pod in pods(*documents(compiled, env, name)).values():
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
        spec = pod["spec"]
        mounts = [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]]
        volumes = [volume["name"] for volume in spec["volumes"]]
        assert "/tmp" in mounts  # noqa: S108
        assert len(set(mounts)) == len(mounts)
        assert len(set(volumes)) == len(volumes)


@pytest.mark.parametrize(
    "harm", [{"activeDeadlineSeconds": "60"}, {"nodeSelector": ["spot"]}, {"tolerations": {}}]
)
def test_a_pod_that_kubernetes_refuses_is_found(compiled: Path, harm: Json) -> None:
    pod = pods(*documents(compiled, "prod", "retrain"))["train"]
    pod["spec"].update(harm)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@pytest.mark.parametrize(("env", "name"), EACH)
def test_pod_security_restricted_holds_for_every_task(compiled: Path, env: str, name: str) -> None:
    found = {step: violations(pod) for step, pod in pods(*documents(compiled, env, name)).items()}
    assert found
    assert {step: against for step, against in found.items() if against} == {}


def _main(pod: Json) -> Json:
    return pod["spec"]["containers"][0]["securityContext"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("harm", "against"),
    [
        (lambda pod: pod["spec"]["volumes"].append({"name": "x", "hostPath": {}}), "is a hostPath"),
        (lambda pod: pod["spec"].update(hostNetwork=True), "hostNetwork"),
        (lambda pod: pod["spec"].update(hostPID=True), "hostPID"),
        (lambda pod: _main(pod).update(runAsUser=0), "runs as user 0"),
        (lambda pod: _main(pod).pop("runAsNonRoot"), "main: may be root"),
        (lambda pod: _main(pod).update(privileged=True), "privileged"),
        (lambda pod: _main(pod).pop("allowPrivilegeEscalation"), "escalate"),
        (lambda pod: _main(pod)["capabilities"].pop("drop"), "keeps capabilities"),
        (lambda pod: _main(pod)["capabilities"].update(add=["SYS_ADMIN"]), "adds capabilities"),
        (lambda pod: _main(pod)["seccompProfile"].update(type="Unconfined"), "seccomp"),
        (
            lambda pod: pod["spec"]["containers"][0].update(ports=[{"hostPort": 80}]),
            "a host port",
        ),
    ],
)
def test_a_pod_that_breaks_the_standard_is_found(
    compiled: Path, harm: Callable[[Json], object], against: str
) -> None:
    pod = copy.deepcopy(pods(*documents(compiled, "prod", "retrain"))["train"])
    harm(pod)
    [found] = violations(pod)
    assert against in found


def test_a_pod_without_an_environment_might_be_root(compiled: Path) -> None:
    """What is asked for here is what the back end leaves to the pipeline."""
    spec, platform = documents(compiled, "prod", "retrain")
    platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"] = {}
    assert violations(pods(spec, platform)["train"]) == ["main: may be root"]


@pytest.mark.parametrize("name", PIPELINES)
def test_in_prod_spot_gpus_embed(compiled: Path, name: str) -> None:
    spec, platform = documents(compiled, "prod", name)
    pod = pods(spec, platform)["embed_items"]["spec"]
    assert pod["nodeSelector"] == {
        "cloud.google.com/gke-accelerator": "nvidia-l4",
        "cloud.google.com/gke-spot": "true",
    }
    assert {one["key"] for one in pod["tolerations"]} == {
        "nvidia.com/gpu",
        "cloud.google.com/gke-spot",
    }
    [main] = pod["containers"]
    assert main["image"] == IMAGES["TOWERFLOW_GPU_IMAGE"]
    assert main["resources"]["limits"] == {"memory": "24Gi", "nvidia.com/gpu": "1"}
    shared = {
        "name": "towerflow-shared-memory",
        "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"},
    }
    assert shared in pod["volumes"]
    assert {"name": shared["name"], "mountPath": "/dev/shm"} in main["volumeMounts"]  # noqa: S108
    assert main["env"] == [
        {
            "name": "HF_TOKEN",
            "valueFrom": {
                "secretKeyRef": {"name": "huggingface", "key": "token", "optional": False}
            },
        }
    ]


def tasks(spec: Json) -> dict[str, Json]:
    """Every task of every DAG, by its name."""
    dags = [spec["root"]["dag"], *(one.get("dag", {}) for one in spec["components"].values())]
    return {name: task for dag in dags for name, task in dag.get("tasks", {}).items()}


def cached(spec: Json) -> set[str]:
    """Names of the tasks that KFP may take from its cache."""
    return {
        name
        for name, task in tasks(spec).items()
        if task.get("cachingOptions", {}).get("enableCache")
    }


def test_the_window_of_retries_holds_every_try(compiled: Path) -> None:
    """KFP's longest back-off is Argo's deadline for all tries, the first one's time included."""
    spec, _ = documents(compiled, "prod", "retrain")
    hour = 3600
    waits = 60 * (2**8 - 1)  # eight, from a minute on, each twice as long
    assert tasks(spec)["embed-items"]["retryPolicy"] == {
        "maxRetryCount": 8,
        "backoffDuration": "60s",
        "backoffFactor": 2.0,
        "backoffMaxDuration": f"{9 * (8 * hour + hour) + waits}s",
    }


def test_a_task_that_looks_each_time_is_never_cached(compiled: Path) -> None:
    spec, _ = documents(compiled, "prod", "retrain")
    assert {"train", "export-index"} <= cached(spec)
    # preprocess: prod says so, for schedules.
    assert not cached(spec) & {"preprocess", "evaluate", "gate", "publish"}


@pytest.mark.parametrize(("env", "name"), EACH)
def test_no_secret_is_in_the_yaml(compiled: Path, env: str, name: str) -> None:
    assert TOKEN not in (compiled / env / f"{name}.yaml").read_text("utf-8")


OTHER_SETTINGS = """
description: What the bundled environments leave alone.
images: {pull_policy: Always, pull_secrets: [registry]}
run_as_user: null
every_step: {caching: true, cpu_limit: "4", timeout_seconds: 60}
steps:
  preprocess: {caching: false}
  publish: {volumes: [{claim: releases, mount_path: /releases}]}
"""


def test_what_the_bundled_environments_leave_alone_works_too(tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(OTHER_SETTINGS, "utf-8")
    command = compile_command(str(file), tmp_path / "compiled")
    subprocess.run(command, env={**os.environ, **IMAGES}, check=True, capture_output=True)
    spec, platform = documents(tmp_path, "compiled", "retrain")
    assert "train" in cached(spec)
    assert not cached(spec) & {"preprocess", "evaluate", "gate", "publish"}
    pod = pods(spec, platform)["publish"]
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    assert violations(pod) == []
    [main] = pod["spec"]["containers"]
    assert "runAsUser" not in main["securityContext"]  # Kubernetes chooses
    assert main["imagePullPolicy"] == "Always"
    assert main["resources"]["limits"] == {"cpu": "4"}
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    claim = {"name": "releases", "persistentVolumeClaim": {"claimName": "releases"}}
    assert claim in pod["spec"]["volumes"]
    assert {"name": "releases", "mountPath": "/releases"} in main["volumeMounts"]
    assert pod["spec"]["activeDeadlineSeconds"] == 60
