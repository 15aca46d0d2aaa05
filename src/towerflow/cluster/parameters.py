"""The arguments of a run, against the parameters that the compiled pipeline names."""

import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, JsonValue

from towerflow.errors import InputError, shortened
from towerflow.yaml_documents import read_document

# They read nothing but their arguments, so that what the cache has of them is never old.
OF_ARGUMENTS_ALONE: Final = frozenset({"list-trials"})

# The server refuses more than 10,000 (MAX_PARAMETER_BYTES); it may count what it adds.
MAX_BYTES: Final = 8_000  # bytes of JSON

Arguments = dict[str, JsonValue]


class Parameter(BaseModel):
    """One parameter of a compiled pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: str
    required: bool

    @property
    def in_words(self) -> str:
        """What it takes."""
        return _TYPES[self.type][1] if self.type in _TYPES else self.type


class CompiledPipeline(BaseModel):
    """A compiled YAML: its name and parameters.

    Attributes:
        spec: the first document, as the API takes it.
        platform: the second, where there is one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    parameters: dict[str, Parameter]
    spec: dict[str, JsonValue]
    platform: dict[str, JsonValue] | None

    @classmethod
    def read(cls, path: Path) -> Self:
        """What kfp's compiler wrote."""
        documents: list[Any] = list(yaml.safe_load_all(path.read_text("utf-8")))
        spec = documents[0]
        found = spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return cls(
            name=spec["pipelineInfo"]["name"],
            parameters={
                name: Parameter(
                    type=one["parameterType"],
                    required="defaultValue" not in one and not one.get("isOptional", False),
                )
                for name, one in found.items()
            },
            spec=spec,
            platform=documents[1] if len(documents) > 1 else None,
        )

    def arguments(self, given: Mapping[str, JsonValue], texts: Sequence[str]) -> Arguments:
        """Checked and typed arguments.

        Args:
            given: of a file, with types as YAML has them.
            texts: of the command line, `name=value` each; they win.

        Raises:
            InputError: an unknown parameter, one that is missing, a wrong type, or too much.
        """
        found: dict[str, JsonValue] = {}
        for name, value in given.items():
            parameter = self._parameter("--params", name)
            found[name] = checked(f"--params: {name}", parameter, value)
        for text in texts:
            name, equals, value = text.partition("=")
            if not equals:
                raise InputError("--param", expected="name=value", found=f"'{shortened(text)}'")
            parameter = self._parameter("--param", name)
            found[name] = _typed(f"--param {name}", parameter, value)
        missing = [
            name for name, one in self.parameters.items() if one.required and name not in found
        ]
        if missing:
            raise InputError(
                f"pipeline {self.name}",
                expected="a value of every parameter without a default",
                found=f"none of {', '.join(missing)}",
                hint=f"give --param {missing[0]}=…, or a file with --params",
            )
        size = len(json.dumps(found, ensure_ascii=False).encode())
        if size > MAX_BYTES:
            raise InputError(
                f"pipeline {self.name}",
                expected=f"arguments of at most {MAX_BYTES:,} bytes as JSON",
                found=f"{size:,} bytes",
                hint="the server takes 10,000: put large values into a file of the data store",
            )
        return found

    def cached_at_the_start(self) -> list[str]:
        """Tasks that KFP's cache skips whenever the arguments are those of an earlier run.

        They read what lies outside, which may have changed, and get nothing from another task;
        to wait for one (dependentTasks) changes nothing in the key of the cache. What gets their
        artifacts is skipped too, if it is cached: it gets the same ones.
        """
        spec: dict[str, Any] = self.spec
        tasks: dict[str, Any] = spec["root"]["dag"]["tasks"]
        return [
            name
            for name, task in tasks.items()
            if task.get("cachingOptions", {}).get("enableCache")
            and not _gets_from_a_task(task)
            and name not in OF_ARGUMENTS_ALONE
        ]

    def _parameter(self, option: str, name: str) -> Parameter:
        if name in self.parameters:
            return self.parameters[name]
        near = difflib.get_close_matches(name, self.parameters)
        hint = f"near it: {', '.join(near)}" if near else ""
        raise InputError(
            option,
            expected=f"a parameter of {self.name}",
            found=f"'{shortened(name)}'",
            hint=hint,
        )


def read_arguments(path: Path) -> Arguments:
    """Arguments by name, of a YAML file.

    Raises:
        InputError: no such file, no YAML, no arguments by name, or what JSON has not.
    """
    try:
        document = read_document(path.read_bytes(), path)
    except OSError as error:
        raise InputError(path, expected="a file", found=str(error.strerror)) from None
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise InputError(
            path, expected="arguments by name, as seed: 3", found=type(document).__name__
        )
    _require_json(path, "values that JSON has", document)
    return document


def _gets_from_a_task(task: dict[str, Any]) -> bool:
    inputs = [one for kind in task.get("inputs", {}).values() for one in kind.values()]
    return any("taskOutputParameter" in one or "taskOutputArtifact" in one for one in inputs)


def _require_json(where: object, expected: str, value: Any) -> None:
    """Refuse infinities, dates of YAML, halves of characters, and what is nested too deeply."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except TypeError as error:
        raise InputError(
            where, expected=expected, found=str(error), hint="put dates in quotes"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(where, expected=expected, found=str(error)) from None


def _typed(where: str, parameter: Parameter, text: str) -> JsonValue:
    """`text` as what the parameter takes; `@file` is the text of a file, `@@` a literal @."""
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(where, expected="a text file after @", found=str(error)) from None
    if parameter.type == "STRING":
        return checked(where, parameter, text)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return checked(where, parameter, value)


def checked(where: str, parameter: Parameter, value: JsonValue) -> JsonValue:
    """`value`, if it is what the parameter takes.

    Raises:
        InputError: it is not; the sentence names `where`.
    """
    _require_json(where, f"{parameter.in_words} (values that JSON has)", value)
    fits = _TYPES[parameter.type][0](value) if parameter.type in _TYPES else True
    if not fits:
        found = f"'{shortened(value if isinstance(value, str) else json.dumps(value))}'"
        raise InputError(where, expected=parameter.in_words, found=found)
    return value


def _is_number(value: JsonValue) -> bool:
    # Compared, since whole numbers may be larger than any double.
    largest = sys.float_info.max
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= largest


def _is_integer(value: JsonValue) -> bool:
    # The API has doubles alone: beyond 2**53 another number would arrive.
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53


_TYPES: Final[dict[str, tuple[Callable[[JsonValue], bool], str]]] = {
    "STRING": (lambda value: isinstance(value, str), "a text"),
    "NUMBER_INTEGER": (_is_integer, "a whole number"),
    "NUMBER_DOUBLE": (_is_number, "a number"),
    "BOOLEAN": (lambda value: isinstance(value, bool), "true or false"),
    "LIST": (lambda value: isinstance(value, list), 'a JSON list, as ["a", "b"]'),
    "STRUCT": (lambda value: isinstance(value, dict), 'a JSON object, as {"a": 1}'),
}
