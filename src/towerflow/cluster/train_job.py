"""Training on several nodes: the object that Kubeflow Trainer, or its predecessor, takes.

Both start `torchrun` in a pod a node; its options come from variables that they set, PET_NNODES,
PET_NPROC_PER_NODE, PET_NODE_RANK, PET_MASTER_ADDR and PET_MASTER_PORT. Sources: kubeflow/trainer,
pkg/runtime/framework/plugins/torch/torch.go; kubeflow/training-operator,
pkg/controller.v1/pytorch/{envvar,master}.go; torch/distributed/argparse_util.py.
"""

import posixpath
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from towerflow.cluster.environment import Environment, Step
from towerflow.cluster.task_settings import LabelKey, ObjectName, TaskSettings
from towerflow.errors import InputError
from towerflow.recipes import OWN_SEED, Recipe
from towerflow.storage.filesystems import is_remote

Manifest = dict[str, Any]

COMMAND: Final = ("torchrun", "--no-python", "towerflow", "train")
NODE: Final = "node"  # job and container of the runtime torch-distributed
OPERATORS_CONTAINER: Final = "pytorch"  # the one that the operator gives its variables to
# Pods are called <name>-node-0-0 or <name>-worker-0, and their hosts have 63 characters.
JobName = Annotated[str, StringConstraints(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=45)]


class JobKind(StrEnum):
    """Which controller the cluster has."""

    TRAIN_JOB = "train-job"
    PYTORCH_JOB = "pytorch-job"


class TrainingJob(BaseModel):
    """One training: what `towerflow train` is told, and on how many machines."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: JobKind
    name: JobName
    nodes: int = Field(ge=1)
    gpus_per_node: int = Field(ge=0, description="Processes of a node; 0: one, on its CPUs.")
    gpu_type: LabelKey
    runtime: ObjectName = Field(description="Of Kubeflow Trainer; a TrainJob's alone.")
    dataset: str
    item_embeddings: str
    model: str
    recipe: str = Field(description="Name of a recipe, or the YAML text of one.")
    seed: int = Field(ge=OWN_SEED, description="-1: the recipe's own.")
    initial_model: str = ""
    checkpoints: str = ""

    @property
    def processes_per_node(self) -> int:
        """One a GPU."""
        return max(1, self.gpus_per_node)

    def require_shareable(self, recipe: Recipe) -> None:
        """Refuse several processes for a model that they can't train together.

        Raises:
            InputError: naming its kind.
        """
        if self.nodes * self.processes_per_node > 1 and not recipe.can_be_shared:
            raise InputError(
                "recipe",
                field="model.kind",
                expected="one that several processes can train, as learn",
                found=recipe.model.kind,
                hint="leave it to the pipeline's train task, or give one node and one GPU",
            )

    def require_reachable(self, environment: Environment, where: Path) -> None:
        """Refuse paths that no pod of the environment would see.

        Raises:
            InputError: naming the option.
        """
        mounts = [v.mount_path for v in environment.settings_of(Step.TRAIN).volumes or ()]
        for name in ("dataset", "item_embeddings", "model", "initial_model", "checkpoints"):
            path: str = getattr(self, name)
            may_be_remote = name in ("initial_model", "checkpoints")
            if not path or (may_be_remote and is_remote(path)) or _is_under(path, mounts):
                continue
            raise InputError(
                f"--{name.replace('_', '-')}",
                expected=f"a folder on a volume that step train has in {where} "
                f"({', '.join(mounts) or 'there is none'})"
                + (", or a URI" if may_be_remote else ""),
                found=f"'{path}'",
            )

    def arguments(self) -> list[str]:
        """Those of `towerflow train`, as Kubernetes is told them."""
        options = {
            "dataset": self.dataset,
            "item-embeddings": self.item_embeddings,
            "model": self.model,
            # The line feed keeps a text that ends in ".yaml" from being taken for a file.
            "recipe": f"{self.recipe.rstrip()}\n" if ":" in self.recipe else self.recipe,
            "seed": "" if self.seed == OWN_SEED else str(self.seed),
            "initial-model": self.initial_model,
            "checkpoints": self.checkpoints,
        }
        # Kubernetes puts variables in place of $(NAME), and one $ in place of two.
        return [f"--{name}={value}".replace("$", "$$") for name, value in options.items() if value]


def render(job: TrainingJob, environment: Environment, image: str) -> Manifest:
    """The object for `kubectl apply`.

    Args:
        job: what is trained, checked before.
        environment: namespace, service account, and the settings of step `train`.
        image: the GPU image.
    """
    train_job = job.kind is JobKind.TRAIN_JOB
    metadata: Manifest = {"name": job.name}
    if environment.server:
        metadata["namespace"] = environment.server.namespace
    metadata["labels"] = {
        "app.kubernetes.io/name": "towerflow",
        "app.kubernetes.io/component": Step.TRAIN.value,
    }
    return {
        "apiVersion": "trainer.kubeflow.org/v1alpha1" if train_job else "kubeflow.org/v1",
        "kind": "TrainJob" if train_job else "PyTorchJob",
        "metadata": metadata,
        "spec": (_train_job if train_job else _pytorch_job)(job, environment, image),
    }


def left_to_runtime(job: TrainingJob, environment: Environment) -> list[str]:
    """Settings of the environment that the object has no field for."""
    if job.kind is not JobKind.TRAIN_JOB:
        return []
    retries = environment.settings_of(Step.TRAIN).retries
    return [
        *(["retries (its JobSet's failurePolicy)"] if retries and retries.count else []),
        *(["images.pull_policy"] if environment.images.pull_policy else []),
    ]


def _train_job(job: TrainingJob, environment: Environment, image: str) -> Manifest:
    settings = environment.settings_of(Step.TRAIN)
    pod = _pod(environment, settings)
    pod["containers"] = [{"name": NODE, **_container(settings)}]
    patch = {"template": {"spec": pod}}
    jobs = [{"name": NODE, "template": {"spec": patch}}]
    return {
        "runtimeRef": {"name": job.runtime},
        **_present(activeDeadlineSeconds=settings.timeout_seconds),
        "trainer": {
            "image": image,
            "command": list(COMMAND),
            "args": job.arguments(),
            **_present(env=_variables(settings), resourcesPerNode=_resources(job, settings)),
            "numNodes": job.nodes,
            "numProcPerNode": job.processes_per_node,
        },
        "runtimePatches": [
            {
                "manager": "towerflow/train-job",
                "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": jobs}}},
            }
        ],
    }


def _pytorch_job(job: TrainingJob, environment: Environment, image: str) -> Manifest:
    settings = environment.settings_of(Step.TRAIN)
    retries = settings.retries.count if settings.retries else 0
    deadline = settings.timeout_seconds and settings.timeout_seconds * (1 + retries)
    counts = {"Master": 1, "Worker": job.nodes - 1}
    return {
        "nprocPerNode": str(job.processes_per_node),
        "runPolicy": {"backoffLimit": retries, **_present(activeDeadlineSeconds=deadline)},
        "pytorchReplicaSpecs": {
            name: {
                "replicas": count,
                "restartPolicy": "OnFailure" if retries else "Never",
                "template": {"spec": _operators_pod(job, environment, image)},
            }
            for name, count in counts.items()
            if count
        },
    }


def _operators_pod(job: TrainingJob, environment: Environment, image: str) -> Manifest:
    settings = environment.settings_of(Step.TRAIN)
    container = {
        "name": OPERATORS_CONTAINER,
        "image": image,
        **_present(imagePullPolicy=environment.images.pull_policy),
        "command": list(COMMAND),
        "args": job.arguments(),
        **_present(env=_variables(settings), resources=_resources(job, settings)),
        **_container(settings),
    }
    return {**_pod(environment, settings), "containers": [container]}


def _pod(environment: Environment, settings: TaskSettings) -> Manifest:
    user, server = environment.run_as_user, environment.server
    # fsGroup: a new volume belongs to root, and the model is written to one.
    owner = {"runAsUser": user, "fsGroup": user, "fsGroupChangePolicy": "OnRootMismatch"}
    volumes: list[Manifest] = [{"name": "tmp", "emptyDir": {}}]
    if settings.shared_memory:
        memory = {"medium": "Memory", "sizeLimit": settings.shared_memory}
        volumes.append({"name": "shared-memory", "emptyDir": memory})
    volumes += [
        {"name": f"volume-{number}", "persistentVolumeClaim": {"claimName": volume.claim}}
        for number, volume in enumerate(settings.volumes or ())
    ]
    return {
        **_present(
            serviceAccountName=server and server.service_account,
            imagePullSecrets=[{"name": name} for name in environment.images.pull_secrets],
            nodeSelector=dict(settings.node_selector or {}),
            tolerations=[
                {name: value for name, value in one.model_dump().items() if value}
                for one in settings.tolerations or ()
            ],
        ),
        "securityContext": {
            "runAsNonRoot": True,
            **(owner if user else {}),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": volumes,
    }


def _container(settings: TaskSettings) -> Manifest:
    """What Pod Security's "restricted" wants of a container, and where it sees its volumes."""
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 (all else is read-only)
    if settings.shared_memory:
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})  # noqa: S108
    mounts += [
        {"name": f"volume-{number}", "mountPath": volume.mount_path}
        for number, volume in enumerate(settings.volumes or ())
    ]
    return {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": mounts,
    }


def _resources(job: TrainingJob, settings: TaskSettings) -> Manifest:
    gpus = {job.gpu_type: str(job.gpus_per_node)} if job.gpus_per_node else {}
    limits = gpus | _present(cpu=settings.cpu_limit, memory=settings.memory_limit)
    asked = _present(cpu=settings.cpu_request, memory=settings.memory_request)
    # As Kubernetes would have it; and Trainer's plugin, where there are limits and no requests,
    # starts one process a node whatever numProcPerNode says (calculateNumProcPerNode).
    return _present(limits=limits, requests=limits | asked)


def _variables(settings: TaskSettings) -> list[Manifest]:
    return [
        {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret.name, "key": key}}}
        for secret in settings.secrets or ()
        for key, variable in secret.variables.items()
    ]


def _present(**fields: Any) -> Manifest:
    """Those that say something."""
    return {name: value for name, value in fields.items() if value}


def _is_under(path: str, mounts: list[str]) -> bool:
    place = PurePosixPath(posixpath.normpath(path))
    return any(place.is_relative_to(mount) and str(place) != mount for mount in mounts)
