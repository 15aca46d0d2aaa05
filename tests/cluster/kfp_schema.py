"""The published v2beta1 API as kfp_server_api carries it: its paths, parameters and models.

Stricter than the real server, which leaves unknown fields of a body alone.
"""

import inspect
import json
import re
from datetime import datetime
from typing import Any, NamedTuple

import kfp_server_api
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

NATIVE = {"str": str, "int": int, "bool": bool, "float": (int, float)}
APIS = ("Experiment", "Pipeline", "PipelineUpload", "RecurringRun", "Run", "Healthz")


class SchemaError(ValueError):
    """A request that the API does not know."""


class Operation(NamedTuple):
    """One method of the API."""

    name: str
    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    body: str


def _operations() -> list[Operation]:
    found = []
    for api in APIS:
        functions = inspect.getmembers(getattr(kfp_server_api, f"{api}ServiceApi"))
        for name, function in functions:
            if not name.endswith("_with_http_info"):
                continue
            source = inspect.getsource(function)
            [(path, method)] = re.findall(r"'(/apis[^']+)', '(\w+)'", source)
            types = dict(re.findall(r":type (\w+): (\w+)", source))
            body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
            found.append(
                Operation(
                    name=name.removesuffix("_with_http_info").split("_service_")[-1],
                    method=method,
                    path=re.compile(re.sub(r"\\{[\w.]+\\}", r"([^/:]+)", re.escape(path)) + "$"),
                    query=frozenset(re.findall(r"query_params.append\(\('(\w+)'", source)),
                    body=types[body[1]] if body else "",
                )
            )
    return sorted(found, key=lambda one: one.path.groups)  # names before ids


OPERATIONS = _operations()


def operation(method: str, path: str, query: dict[str, str]) -> tuple[Operation, tuple[str, ...]]:
    """The operation that a request asks for, and the ids in its path."""
    for one in OPERATIONS:
        if one.method == method and (match := one.path.match(path)):
            if unknown := set(query) - one.query:
                raise SchemaError(f"{one.name} has no query parameter {', '.join(unknown)}")
            if "filter" in query:
                check(json.loads(query["filter"]), "V2beta1Filter", "filter")
            return one, match.groups()
    raise LookupError(f"{method} {path}")


def check(value: Any, kind: str, where: str) -> None:
    """See that JSON is of a type of the schema: no unknown field, every value of its type."""
    if inner := re.fullmatch(r"list\[(.*)\]", kind):
        _expect(isinstance(value, list), where, kind)
        for number, item in enumerate(value):
            check(item, inner[1], f"{where}[{number}]")
    elif inner := re.fullmatch(r"dict\(str, (.*)\)", kind):
        _expect(isinstance(value, dict), where, kind)
        for key, item in value.items():
            check(item, inner[1], f"{where}.{key}")
    elif kind == "datetime":
        datetime.fromisoformat(value)
    elif kind in NATIVE:
        right = isinstance(value, NATIVE[kind]) and (kind == "bool" or not isinstance(value, bool))
        _expect(right, where, kind)
    elif kind != "object":
        _check_model(value, getattr(kfp_server_api, kind), where)


def _check_model(value: Any, model: Any, where: str) -> None:
    if values := getattr(model, "allowable_values", None):
        _expect(value in values, where, f"one of {values}")
        return
    _expect(isinstance(value, dict), where, model.__name__)
    attributes = {key: name for name, key in model.attribute_map.items()}
    for key, item in value.items():
        _expect(key in attributes, f"{where}.{key}", f"a field of {model.__name__}")
        check(item, model.openapi_types[attributes[key]], f"{where}.{key}")


def _expect(right: bool, where: str, expected: str) -> None:
    if not right:
        raise SchemaError(f"{where} is not {expected}")


def check_package(text: str) -> dict[str, Any]:
    """Both documents of a compiled pipeline, read with the official protobufs."""
    documents = list(yaml.load_all(text, yaml.CSafeLoader))  # a tenth of the time
    spec = {"pipeline_spec": documents[0], "platform_spec": dict(*documents[1:])}
    check_spec(spec)
    return spec if len(documents) > 1 else spec["pipeline_spec"]


def check_spec(spec: dict[str, Any]) -> None:
    """A pipeline as the JSON of a run holds it: one document, or both by their names."""
    try:
        first = spec.get("pipeline_spec", spec)
        json_format.ParseDict(first, pipeline_spec_pb2.PipelineSpec())
        second = spec.get("platform_spec", {})
        json_format.ParseDict(second, pipeline_spec_pb2.PlatformSpec())
    except json_format.ParseError as error:
        raise SchemaError(str(error)) from None


def parameters(spec: dict[str, Any]) -> dict[str, Any]:
    """The pipeline's parameters."""
    first = spec.get("pipeline_spec", spec)
    found: dict[str, Any] = first["root"].get("inputDefinitions", {}).get("parameters", {})
    return found


def answer(model: Any) -> Any:
    """JSON of a model, as the API writes it."""
    return kfp_server_api.ApiClient().sanitize_for_serialization(model)
