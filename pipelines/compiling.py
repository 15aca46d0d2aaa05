"""The DAGs to YAML, for an environment or for none: the only caller of kfp's compiler."""

import importlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp import compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.cluster import ENVIRONMENT

if TYPE_CHECKING:
    from towerflow.cluster.environment import Environment

PIPELINES = ("retrain", "refresh_items", "compare_models")


def pipeline(name: str) -> Any:
    """The pipeline of that name, traced with the images and environment of this moment."""
    return getattr(importlib.import_module(f"pipelines.{name}"), name)


def compile_pipelines(
    output: Path, env: str, kubernetes_manifest_format: bool, version: str
) -> None:
    """Write `<name>.yaml` of every pipeline into `output`, or `<name>.manifest.yaml`.

    Args:
        output: a folder.
        env: name or file of an environment; empty: none, and no Kubernetes settings.
        kubernetes_manifest_format: a Pipeline and a PipelineVersion, for GitOps.
        version: what the PipelineVersion is named; empty: by the commit.
    """
    environment = _enter(env)
    pipelines = {name: pipeline(name) for name in PIPELINES}
    if environment:
        _check_parameters(environment, pipelines, os.environ[ENVIRONMENT])
    if kubernetes_manifest_format:
        version = _version_name(version)
    output.mkdir(parents=True, exist_ok=True)
    for name, graph in pipelines.items():
        known = graph.pipeline_spec.root.input_definitions.parameters
        defaults = environment.parameters if environment else {}
        options: dict[str, Any] = {}
        path = output / f"{name}.yaml"
        if kubernetes_manifest_format:
            path = output / f"{name}.manifest.yaml"
            options = _manifest_options(graph, environment, version)
        own = {key: value for key, value in defaults.items() if key in known}
        for key in own:
            known[key].is_optional = True  # kfp does so for defaults in the signature
        compiler.Compiler().compile(graph, str(path), pipeline_parameters=own, **options)
        print(path)


def _enter(env: str) -> "Environment | None":
    """Read an environment, and set what the DAGs and components read of it."""
    os.environ.pop(ENVIRONMENT, None)
    if not env:
        return None
    from towerflow.cluster.environment import Environment, environment_file

    path = environment_file(env)
    environment = Environment.read(path)
    os.environ.update(environment.image_variables(os.environ, path))
    os.environ[ENVIRONMENT] = str(path)
    return environment


def _check_parameters(environment: "Environment", pipelines: dict[str, Any], where: str) -> None:
    """Refuse a default that no pipeline takes."""
    from towerflow.cluster.parameters import Parameter, checked
    from towerflow.errors import InputError

    inputs = {
        name: pipeline_spec_pb2.ParameterType.ParameterTypeEnum.Name(one.parameter_type)
        for graph in pipelines.values()
        for name, one in graph.pipeline_spec.root.input_definitions.parameters.items()
    }
    for name, value in environment.parameters.items():
        field = f"parameters.{name}"
        if name not in inputs:
            raise InputError(
                where,
                field=field,
                expected="a parameter of a pipeline",
                found="one that none of them has",
            )
        checked(f"{where}: {field}", Parameter(type=inputs[name], required=False), value)


def _version_name(version: str) -> str:
    """What was asked for, else the commit."""
    from towerflow.cluster.versions import commit_version
    from towerflow.errors import InputError

    if not version:
        return commit_version()
    if not re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", version) or len(version) > 200:
        raise InputError(
            "--version",
            expected="small letters, digits, dashes and dots, as Kubernetes names objects",
            found=f"'{version}'",
        )
    return version


def _manifest_options(
    graph: Any, environment: "Environment | None", version: str
) -> dict[str, Any]:
    """Options of kfp's compiler; the versions of all pipelines share a namespace."""
    info = graph.pipeline_spec.pipeline_info
    options = KubernetesManifestOptions(
        pipeline_name=info.name,
        pipeline_display_name=info.display_name,
        pipeline_version_name=f"{info.name}-{version}",
        pipeline_version_display_name=version,
        namespace=environment.server.namespace if environment and environment.server else None,
        include_pipeline_manifest=True,
    )
    return {"kubernetes_manifest_format": True, "kubernetes_manifest_options": options}
