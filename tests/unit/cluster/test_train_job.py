"""Training on several nodes: objects that the published models know, pods that are restricted."""

import json
from types import SimpleNamespace
from typing import Any, Final

import kubernetes_validate
import pytest
from kubeflow.training.api_client import ApiClient
from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob
from pydantic import ValidationError

from tests.pod_security import KUBERNETES, violations
from towerflow.cluster.environment import Environment
from towerflow.cluster.train_job import (
    COMMAND,
    JobKind,
    Manifest,
    TrainingJob,
    left_to_runtime,
    render,
)

IMAGE: Final = f"registry.example.com/towerflow-gpu@sha256:{'0' * 64}"
FULL: Final = Environment.model_validate(
    {
        "description": "with everything in it",
        "images": {"pull_policy": "IfNotPresent", "pull_secrets": ["registry"]},
        "server": {
            "endpoint": "https://kubeflow.example.com/pipeline",
            "namespace": "recsys",
            "service_account": "towerflow",
        },
        "every_step": {"cpu_request": "2", "memory_limit": "16Gi"},
        "steps": {
            "train": {
                "memory_request": "24Gi",
                "memory_limit": "32Gi",
                "shared_memory": "4Gi",
                "timeout_seconds": 3600,
                "retries": {"count": 3},
                "node_selector": {"cloud.google.com/gke-accelerator": "nvidia-l4"},
                "tolerations": [
                    {"key": "nvidia.com/gpu"},
                    {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
                ],
                "volumes": [{"claim": "training", "mount_path": "/data"}],
                "secrets": [{"name": "store", "variables": {"id": "AWS_ACCESS_KEY_ID"}}],
            }
        },
    }
)
BARE: Final = Environment(description="with nothing in it", run_as_user=None)
ENVIRONMENTS: Final = {"full": FULL, "bare": BARE}
SIZES: Final = [(1, 0), (1, 1), (2, 0), (3, 8)]

every_kind = pytest.mark.parametrize("kind", JobKind)
every_environment = pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
every_size = pytest.mark.parametrize(("nodes", "gpus"), SIZES)


def job_of(kind: JobKind = JobKind.TRAIN_JOB, **changes: Any) -> TrainingJob:
    settings: dict[str, Any] = {
        "kind": kind,
        "name": "learn",
        "nodes": 2,
        "gpus_per_node": 4,
        "gpu_type": "nvidia.com/gpu",
        "runtime": "torch-distributed",
        "dataset": "/data/dataset",
        "item_embeddings": "/data/embeddings",
        "model": "/data/model",
        "recipe": "learn",
        "seed": -1,
    }
    return TrainingJob(**settings | changes)


def as_the_models_have_it(manifest: Manifest) -> Any:
    """Through the classes that the projects publish; what they don't know is lost."""
    if manifest["kind"] == "TrainJob":
        return TrainerV1alpha1TrainJob.from_dict(manifest).to_dict()
    client = ApiClient()
    response = SimpleNamespace(data=json.dumps(manifest))
    job = client.deserialize(response, "KubeflowOrgV1PyTorchJob")
    return client.sanitize_for_serialization(job)


def pods_of(manifest: Manifest) -> list[Manifest]:
    """Specs of the pods, as the controllers make them."""
    spec = manifest["spec"]
    if manifest["kind"] == "PyTorchJob":
        return [
            {**replica["template"]["spec"], "restartPolicy": replica["restartPolicy"]}
            for replica in spec["pytorchReplicaSpecs"].values()
        ]
    [patch] = spec["runtimePatches"]
    [job] = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    pod = job["template"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    trainer = spec["trainer"]
    asked = {"resources": trainer["resourcesPerNode"]} if "resourcesPerNode" in trainer else {}
    given = {name: trainer[name] for name in ("image", "command", "args", "env") if name in trainer}
    return [{**pod, "containers": [{**container, **given, **asked}]}]


def all_manifests() -> list[Manifest]:
    return [
        render(job_of(kind, nodes=nodes, gpus_per_node=gpus), environment, IMAGE)
        for kind in JobKind
        for environment in ENVIRONMENTS.values()
        for nodes, gpus in SIZES
    ]


@every_kind
@every_environment
@every_size
def test_the_published_models_know_every_field(
    kind: JobKind, environment: Environment, nodes: int, gpus: int
) -> None:
    manifest = render(job_of(kind, nodes=nodes, gpus_per_node=gpus), environment, IMAGE)
    assert as_the_models_have_it(manifest) == manifest


@every_kind
def test_and_the_check_would_find_one_that_they_do_not(kind: JobKind) -> None:
    manifest = render(job_of(kind), FULL, IMAGE)
    for place in (manifest["spec"], pods_of(manifest)[0]["securityContext"]):
        place["bogus"] = 1
        assert as_the_models_have_it(manifest) != manifest
        del place["bogus"]
    assert as_the_models_have_it(manifest) == manifest


@pytest.mark.parametrize("manifest", all_manifests())
def test_pods_are_valid_and_restricted(manifest: Manifest) -> None:
    for spec in pods_of(manifest):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)
        assert violations(pod) == []
        assert [container["image"] for container in spec["containers"]] == [IMAGE]


@every_kind
def test_pods_have_what_the_environment_says_of_train(kind: JobKind) -> None:
    manifest = render(job_of(kind), FULL, IMAGE)
    assert manifest["metadata"]["namespace"] == "recsys"
    for spec in pods_of(manifest):
        assert spec["serviceAccountName"] == "towerflow"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]
        assert spec["nodeSelector"] == {"cloud.google.com/gke-accelerator": "nvidia-l4"}
        assert spec["tolerations"] == [
            {"key": "nvidia.com/gpu", "operator": "Exists"},
            {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
        ]
        assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["fsGroup"] == 65532
        [container] = spec["containers"]
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        mounted = {m["mountPath"]: volumes[m["name"]] for m in container["volumeMounts"]}
        assert mounted["/data"]["persistentVolumeClaim"] == {"claimName": "training"}
        assert mounted["/dev/shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "4Gi"}  # noqa: S108
        assert mounted["/tmp"]["emptyDir"] == {}  # noqa: S108
        assert container["env"] == [
            {
                "name": "AWS_ACCESS_KEY_ID",
                "valueFrom": {"secretKeyRef": {"name": "store", "key": "id"}},
            }
        ]
        assert container["resources"] == {
            "limits": {"nvidia.com/gpu": "4", "memory": "32Gi"},
            "requests": {"nvidia.com/gpu": "4", "cpu": "2", "memory": "24Gi"},
        }


@every_kind
def test_an_environment_without_settings_asks_for_nothing(kind: JobKind) -> None:
    manifest = render(job_of(kind, gpus_per_node=0), BARE, IMAGE)
    assert "namespace" not in manifest["metadata"]
    for spec in pods_of(manifest):
        assert set(spec) <= {"securityContext", "volumes", "containers", "restartPolicy"}
        assert "runAsUser" not in spec["securityContext"]
        assert not {"env", "resources"} & set(spec["containers"][0])


def test_a_train_job_says_how_many_processes_and_nodes() -> None:
    spec = render(job_of(runtime="mine"), FULL, IMAGE)["spec"]
    assert spec["runtimeRef"] == {"name": "mine"}
    assert (spec["trainer"]["numNodes"], spec["trainer"]["numProcPerNode"]) == (2, 4)
    assert spec["activeDeadlineSeconds"] == 3600
    assert left_to_runtime(job_of(), FULL) == [
        "retries (its JobSet's failurePolicy)",
        "images.pull_policy",
    ]
    assert left_to_runtime(job_of(), BARE) == []
    on_cpus = render(job_of(gpus_per_node=0), FULL, IMAGE)["spec"]["trainer"]
    assert on_cpus["numProcPerNode"] == 1
    assert set(on_cpus["resourcesPerNode"]["limits"]) == {"memory"}


def test_a_pytorch_job_says_how_many_processes_nodes_and_tries() -> None:
    spec = render(job_of(JobKind.PYTORCH_JOB, nodes=3), FULL, IMAGE)["spec"]
    assert spec["nprocPerNode"] == "4"
    replicas = spec["pytorchReplicaSpecs"]
    assert {name: replica["replicas"] for name, replica in replicas.items()} == {
        "Master": 1,
        "Worker": 2,
    }
    assert {replica["restartPolicy"] for replica in replicas.values()} == {"OnFailure"}
    tries = 1 + 3
    assert spec["runPolicy"] == {"backoffLimit": 3, "activeDeadlineSeconds": tries * 3600}
    alone = render(job_of(JobKind.PYTORCH_JOB, nodes=1), BARE, IMAGE)["spec"]
    assert list(alone["pytorchReplicaSpecs"]) == ["Master"]
    assert alone["pytorchReplicaSpecs"]["Master"]["restartPolicy"] == "Never"
    assert alone["runPolicy"] == {"backoffLimit": 0}
    assert left_to_runtime(job_of(JobKind.PYTORCH_JOB), FULL) == []


@every_kind
def test_every_pod_starts_torchrun_which_takes_its_options_from_variables(kind: JobKind) -> None:
    for spec in pods_of(render(job_of(kind), FULL, IMAGE)):
        [container] = spec["containers"]
        assert tuple(container["command"]) == COMMAND
        assert not any(part.startswith(("--nnodes", "--nproc", "--master")) for part in COMMAND)
        assert not any(variable["name"].startswith("PET_") for variable in container["env"])


def test_only_what_was_said_is_an_argument() -> None:
    assert job_of().arguments() == [
        "--dataset=/data/dataset",
        "--item-embeddings=/data/embeddings",
        "--model=/data/model",
        "--recipe=learn",
    ]
    more = job_of(seed=0, initial_model="gs://a/b", checkpoints="/data/c").arguments()
    assert more[4:] == ["--seed=0", "--initial-model=gs://a/b", "--checkpoints=/data/c"]


def test_a_recipe_goes_as_its_text_and_kubernetes_reads_no_variable_in_it() -> None:
    text = "description: costs $(PRICE) or $5, see old.yaml"
    [argument] = [a for a in job_of(recipe=text).arguments() if a.startswith("--recipe=")]
    assert argument == "--recipe=description: costs $$(PRICE) or $$5, see old.yaml\n"


@pytest.mark.parametrize("name", ["Learn", "1st", "a_b", "a.b", "a" * 46, ""])
def test_a_name_that_no_pod_could_bear_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        job_of(name=name)
