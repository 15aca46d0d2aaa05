"""What a task asks of Kubernetes: machine, limits, retries, volumes, secrets."""

import re
from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

# Of what Kubernetes takes (resource.Quantity), what kfp takes too.
Cpu = Annotated[str, StringConstraints(pattern=r"^([0-9]+(\.[0-9]+)?|[0-9]+m)$")]
Bytes = Annotated[str, StringConstraints(pattern=r"^[0-9]+(Ki|Mi|Gi|Ti|M|G|T)?$")]
# A DNS subdomain: what Kubernetes takes as the name of most objects.
ObjectName = Annotated[
    str,
    StringConstraints(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253
    ),
]
# A DNS label: KFP names the volume of a pod like the claim behind it.
ClaimName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)
]
LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
    ),
]
LabelValue = Annotated[
    str, StringConstraints(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)
]
SecretKey = Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^(/[^/:\s]+)+$")]

# Where the pipelines and KFP's back end mount volumes of their own.
TAKEN: Final = frozenset(
    f"/{name}"
    for name in (
        "dev/shm",
        "tmp",
        "gcs",
        "s3",
        "minio",
        "kfp-launcher",
        ".local",
        ".cache",
        ".config",
    )
)
WAIT_FOR_NODE: Final = 3600  # seconds that a try may wait for a machine

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

    count: int = Field(ge=0, le=20, description="Tries after the first.")
    backoff_seconds: int = Field(default=60, ge=1, description="Before the first of them.")
    backoff_factor: int = Field(
        default=2, ge=1, le=4, description="Each waits so many times longer."
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
    timeout_seconds: int | None = Field(default=None, ge=1, description="Of one try.")
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
        if self.retries and not self.timeout_seconds:
            return "retries, which KFP wants an end for, and no timeout_seconds"
        claims = [volume.claim for volume in self.volumes or ()]
        paths = [volume.mount_path for volume in self.volumes or ()]
        variables = [name for secret in self.secrets or () for name in secret.variables.values()]
        for what, names in (("claim", claims), ("mount_path", paths), ("variable", variables)):
            for name, count in Counter(names).items():
                if count > 1:
                    return f"{what} {name} is there {count} times"
        for path in paths:
            if path in TAKEN:
                return f"mount_path {path} is taken by a volume that every pod has"
        return ""


def amount(quantity: str) -> float:
    """What a quantity is in cores or bytes."""
    match = re.fullmatch(r"([0-9.]+)(\D*)", quantity)
    assert match, "as its pattern says"
    return float(match[1]) * _SCALES[match[2]]
