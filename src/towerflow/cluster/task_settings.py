"""What a task asks of Kubernetes: machine, limits, retries, volumes, secrets."""

import re
from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)


def _more_than_nothing(quantity: str) -> str:
    if not amount(quantity):
        raise ValueError("has to be more than 0")  # which kfp leaves out, as if nothing was said
    return quantity


def _without_dots(path: str) -> str:
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise ValueError("no part of it may be . or ..")
    return path


# Of what Kubernetes takes (resource.Quantity), what kfp takes too.
Cpu = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]+(\.[0-9]+)?|[0-9]+m)$"),
    AfterValidator(_more_than_nothing),
]
Bytes = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]+(Ki|Mi|Gi|Ti|M|G|T)?$"),
    AfterValidator(_more_than_nothing),
]
# A DNS subdomain: what Kubernetes takes as the name of most objects.
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
ObjectName = Annotated[str, StringConstraints(pattern=rf"^{_SUBDOMAIN}$", max_length=253)]
# A DNS label: KFP names the volume of a pod like the claim behind it.
ClaimName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
]
LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=rf"^({_SUBDOMAIN}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?$",
        max_length=253 + 1 + 63,
    ),
]
LabelValue = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)
]
SecretKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]
AbsolutePath = Annotated[
    str, StringConstraints(pattern=r"^(/[^/:\s]+)+$"), AfterValidator(_without_dots)
]

LARGEST_INT32: Final = 2**31 - 1  # seconds of a pod and ids of users, as Kubernetes takes them
# Where the pipelines (pipelines/cluster.py) and KFP's back end mount volumes, by their names.
OWN_VOLUMES: Final = {
    "towerflow-tmp": "/tmp",  # noqa: S108
    "towerflow-shared-memory": "/dev/shm",  # noqa: S108
    "kfp-launcher": "/kfp-launcher",
    "gcs-scratch": "/gcs",
    "s3-scratch": "/s3",
    "minio-scratch": "/minio",
    "dot-local-scratch": "/.local",
    "dot-cache-scratch": "/.cache",
    "dot-config-scratch": "/.config",
}
WAIT_FOR_NODE: Final = 3600  # seconds that a try may wait for a machine
LONGEST_WINDOW: Final = 2**63 // 10**9  # seconds, of Go's time.Duration; protobuf's holds more

_SCALES: Final = {"": 1.0, "m": 1e-3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": 1024.0**power for power, letter in enumerate("KMGT", start=1)
}


class Toleration(BaseModel):
    """A taint that the task's pod puts up with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: LabelKey
    operator: Literal["Equal", "Exists"] = "Exists"
    value: LabelValue = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="None: every effect of the taint."
    )

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.operator == "Exists") == bool(self.value):
            raise ValueError("operator Equal needs a value, operator Exists has none")
        return self


class Retries(BaseModel):
    """How often a failed task is tried again, and how long that waits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=0, le=20, strict=True, description="Tries after the first.")
    backoff_seconds: int = Field(
        default=60, ge=1, le=LARGEST_INT32, strict=True, description="Before the first of them."
    )
    backoff_factor: int = Field(
        default=2, ge=1, le=4, strict=True, description="Each waits so many times longer."
    )

    def window(self, timeout_seconds: int) -> int:
        """Seconds that all tries together may take.

        What KFP calls the longest back-off is a deadline that Argo counts from the start of the
        first try, and at which it ends a running one
        (https://github.com/kubeflow/pipelines/issues/14245): it has to hold every try and wait.
        """
        waits, wait = 0, self.backoff_seconds
        for _ in range(self.count):
            waits, wait = waits + wait, wait * self.backoff_factor
        return (self.count + 1) * (timeout_seconds + WAIT_FOR_NODE) + waits


class Volume(BaseModel):
    """A PersistentVolumeClaim that the pods see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # kfp-kubernetes 2.17 has no fsGroup, by which Kubernetes would make a volume writable.
    claim: ClaimName = Field(
        description="A pipeline's tasks are no root and get no fsGroup: a new volume that belongs "
        "to root has to be made writable for their group, or its storage class has to do that."
    )
    mount_path: AbsolutePath


class Secret(BaseModel):
    """A Secret whose keys become environment variables; its values never leave the cluster."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ObjectName
    variables: dict[SecretKey, Variable] = Field(
        min_length=1, description="Environment variable by key of the Secret."
    )


class TaskSettings(BaseModel):
    """What the task of one step asks for; what is None is as in `every_step`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_request: Cpu | None = Field(default=None, description="Cores, as 2 or 500m.")
    cpu_limit: Cpu | None = Field(default=None, description="Cores; above: slowed down.")
    memory_request: Bytes | None = Field(default=None, description="Bytes, as 8Gi.")
    memory_limit: Bytes | None = Field(default=None, description="Bytes; above: OOM-killed.")
    shared_memory: Bytes | None = Field(
        default=None, description="Size of /dev/shm, bytes; counts as memory of the pod."
    )
    timeout_seconds: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_INT32,
        strict=True,
        description="Seconds that one try may take (activeDeadlineSeconds of its pod).",
    )
    retries: Retries | None = None
    caching: bool | None = Field(
        default=None, description="False: never from KFP's cache. True: as the pipeline has it."
    )
    node_selector: dict[LabelKey, LabelValue] | None = None
    tolerations: tuple[Toleration, ...] | None = None
    volumes: tuple[Volume, ...] | None = None
    secrets: tuple[Secret, ...] | None = None

    def over(self, base: Self) -> Self:
        """These settings, and those of `base` where these have none."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return base.model_copy(
            update={name: value for name, value in own.items() if value is not None}
        )

    def contradiction(self) -> str:
        """What Kubernetes or KFP would refuse in a pod with these settings; empty: nothing."""
        for less, more in (
            ("cpu_request", "cpu_limit"),
            ("memory_request", "memory_limit"),
            ("shared_memory", "memory_limit"),
        ):
            low, high = getattr(self, less), getattr(self, more)
            if low and high and amount(low) > amount(high):
                return f"{less} {low} is more than {more} {high}"
        return self._retries_without_end() or self._taken_twice()

    def _retries_without_end(self) -> str:
        if not self.retries:
            return ""
        if not self.timeout_seconds:
            return "retries, which KFP wants an end for, and no timeout_seconds"
        if (window := self.retries.window(self.timeout_seconds)) > LONGEST_WINDOW:
            return (
                f"retries that with their waits may take {window:,} seconds, "
                f"and KFP can tell {LONGEST_WINDOW:,}"
            )
        return ""

    def _taken_twice(self) -> str:
        """Names and paths that stand there twice, or that a volume of every pod has."""
        claims = [volume.claim for volume in self.volumes or ()]
        paths = [volume.mount_path for volume in self.volumes or ()]
        variables = [name for secret in self.secrets or () for name in secret.variables.values()]
        for what, names in (("claim", claims), ("mount_path", paths), ("variable", variables)):
            for name, count in Counter(names).items():
                if count > 1:
                    return f"{what} {name} is there {count} times"
        for what, names, own in (
            ("claim", claims, OWN_VOLUMES.keys()),
            ("mount_path", paths, OWN_VOLUMES.values()),
        ):
            for name in names:
                if name in own:
                    return f"{what} {name} is taken by a volume that every pod has"
        return ""


def amount(quantity: str) -> float:
    """What a quantity is in cores or bytes."""
    match = re.fullmatch(r"([0-9.]+)(\D*)", quantity)
    assert match, "as its pattern says"
    return float(match[1]) * _SCALES[match[2]]
