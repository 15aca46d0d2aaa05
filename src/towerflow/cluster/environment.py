"""An environment file: what differs between a laptop, a test cluster and production."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from towerflow.cluster.server import Server
from towerflow.cluster.task_settings import LARGEST_INT32, ObjectName, TaskSettings
from towerflow.errors import InputError
from towerflow.yaml_documents import read_document

ENVIRONMENTS: Final = Path("environments")
IMAGE_USER: Final = 65532  # as in containers/Dockerfile


class Step(StrEnum):
    """The steps, as their folders are named."""

    CHAMPION = "champion"
    COMPARE = "compare"
    EMBED_ITEMS = "embed_items"
    EVALUATE = "evaluate"
    EXPORT_INDEX = "export_index"
    GATE = "gate"
    LIST_TRIALS = "list_trials"
    MERGE_EMBEDDINGS = "merge_embeddings"
    PREPROCESS = "preprocess"
    PUBLISH = "publish"
    TRAIN = "train"


_NAME: Final = r"[a-z0-9][a-z0-9._/-]*(:[0-9]+/[a-z0-9._/-]+)?"
_TAG: Final = r":[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
# A tag or a digest must be there: KFP caches by the name, and :latest hides new code from it.
Image = Annotated[
    str, StringConstraints(pattern=f"^{_NAME}({_TAG}|({_TAG})?@sha256:[0-9a-f]{{64}})$")
]
_ID: Final = re.compile(r"sha256:[0-9a-f]{64}")  # of an image on this machine
_IMAGE: Final = TypeAdapter[str](Image)
# Where somebody may put a secret itself in place of what names it.
_CONFIDENTIAL: Final = ("auth", "secrets")


def _in_json(value: JsonValue) -> JsonValue:
    json.dumps(value, allow_nan=False)  # its ValueError is the sentence
    return value


Argument = Annotated[JsonValue, AfterValidator(_in_json)]


class Images(BaseModel):
    """What the pods run; variables of the environment come before what is here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    only_by_digest: bool = Field(default=False, description="Refuse tags, which can be moved.")
    cpu: Image | None = Field(default=None, description="None: TOWERFLOW_CPU_IMAGE has to be set.")
    gpu: Image | None = Field(default=None, description="None: TOWERFLOW_GPU_IMAGE has to be set.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="None: Kubernetes' own, IfNotPresent for all but :latest."
    )
    pull_secrets: tuple[ObjectName, ...] = Field(
        default=(), description="Names of Secrets, for a registry that the nodes cannot read."
    )

    @field_validator("cpu", "gpu")
    @classmethod
    def _name_is_fixed(cls, image: str | None, info: ValidationInfo) -> str | None:
        if image and (moves := _moves(image, info.data.get("only_by_digest", False))):
            raise ValueError(moves)
        return image


def _moves(image: str, only_by_digest: bool) -> str:
    """Why what the name stands for may become another; empty: it may not."""
    if "@" in image or _ID.fullmatch(image):
        return ""
    if image.endswith(":latest"):
        return ":latest is another image every time: give a commit or a digest"
    return "only_by_digest refuses tags" if only_by_digest else ""


class Environment(BaseModel):
    """Where pipelines run and what their tasks ask for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field(description="What it is for, in a sentence.")
    images: Images = Images()
    server: Server | None = Field(default=None, description="None: nothing can be submitted.")
    run_as_user: int | None = Field(
        default=IMAGE_USER,
        ge=1,
        le=LARGEST_INT32,
        strict=True,
        description="Numeric id of the pods' user; null: Kubernetes chooses, as OpenShift does.",
    )
    docker_network: Literal["bridge", "host", "none"] = Field(
        default="bridge", description="Of containers on this machine: towerflow run --env."
    )
    parameters: dict[str, Argument] = Field(
        default={}, description="Defaults of pipeline parameters, for the pipelines that have them."
    )
    every_step: TaskSettings = Field(default=TaskSettings(), description="Of every step.")
    steps: dict[Step, TaskSettings] = Field(
        default={}, description="Of one step, over those of every step."
    )

    def settings_of(self, step: str) -> TaskSettings:
        """Those of a step: its own over those of every step."""
        return self.steps.get(Step(step), TaskSettings()).over(self.every_step)

    def image_variables(
        self,
        variables: Mapping[str, str],
        path: Path,
        kinds: Sequence[Literal["cpu", "gpu"]] = ("cpu", "gpu"),
    ) -> dict[str, str]:
        """The images by the variables that the components read (docs/adr/0002).

        Args:
            variables: environment variables, which come before the file.
            path: the file that this environment was read from.
            kinds: those that are needed.

        Raises:
            InputError: an image is missing, is no image's name, or may be moved.
        """
        found = {}
        for kind in kinds:
            own = self.images.cpu if kind == "cpu" else self.images.gpu
            variable = f"TOWERFLOW_{kind.upper()}_IMAGE"
            if not (image := variables.get(variable) or own):
                raise InputError(
                    path,
                    field=f"images.{kind}",
                    expected=f"an image, here or in {variable}",
                    found="none",
                    hint="make push pushes both and writes their variables to build/images.env",
                )
            if not own or image != own:
                _check_image(variable, image, self.images.only_by_digest)
            found[variable] = image
        return found

    @classmethod
    def read(cls, path: Path) -> Self:
        """The environment in a YAML file.

        Raises:
            InputError: no such file, no YAML, something in it that is unknown, missing, wrong or
                there twice, or settings of a step that contradict each other.
        """
        expected = "an environment (docs/kubeflow.md)"
        try:
            document = read_document(path.read_bytes(), path)
        except FileNotFoundError:
            others = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
            raise InputError(
                path, expected=expected, found=f"no such file (there are: {others or 'none'})"
            ) from None
        except OSError as error:
            raise InputError(path, expected=expected, found=error.strerror or "none") from None
        try:
            environment = cls.model_validate(document)
        except ValidationError as error:
            raise InputError.from_validation(path, expected, error, _CONFIDENTIAL) from None
        for step in Step:
            if contradiction := environment.settings_of(step).contradiction():
                field = f"steps.{step}" if step in environment.steps else "every_step"
                raise InputError(
                    path,
                    field=field,
                    expected="settings that fit each other and those of every_step",
                    found=contradiction,
                )
        return environment


def _check_image(variable: str, image: str, only_by_digest: bool) -> None:
    try:
        _IMAGE.validate_python(image)
    except ValidationError:
        raise InputError(
            variable, expected="an image with a tag or a digest", found=f"'{image}'"
        ) from None
    if moves := _moves(image, only_by_digest):
        raise InputError(variable, expected="an image that stays", found=f"'{image}': {moves}")


def environment_file(name: str) -> Path:
    """The file of an environment that is named, or itself a file."""
    return Path(name) if name.endswith((".yaml", ".yml")) else ENVIRONMENTS / f"{name}.yaml"
