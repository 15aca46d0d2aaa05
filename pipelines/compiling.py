"""The DAGs to YAML, for an environment or for none: the only caller of kfp's compiler."""

import importlib
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp import compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.cluster import ENVIRONMENT

if TYPE_CHECKING:
    from towerflow.cluster.environment import Environment

PIPELINES = ("retrain", "refresh_items", "compare_models")
# A DNS subdomain, as Kubernetes names objects: labels that are joined by dots.
LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
LONGEST_VERSION = 200  # characters; the pipeline's name comes before it


def pipeline(name: str) -> Any:
    """The pipeline of that name, traced with the images and environment of this moment."""
    return getattr(importlib.import_module(f"pipelines.{name}"), name)


def compile_pipelines(
    output: Path, env: str, kubernetes_manifest_format: bool, version: str
) -> None:
    """Write `<name>.yaml` of every pipeline into `output`, or `<name>.manifest.yaml`.

    All or none: what was there before stays if one of them does not compile.

    Args:
        output: a folder.
        env: name or file of an environment; empty: none, and no Kubernetes settings.
        kubernetes_manifest_format: a Pipeline and a PipelineVersion, for GitOps.
        version: what the PipelineVersion is named; empty: by the commit.

    Raises:
        InputError: the environment, the version or the folder is not what it should be.
    """
    environment = _enter(env)
    pipelines = {name: pipeline(name) for name in PIPELINES}
    if environment:
        _check_parameters(environment, pipelines, os.environ[ENVIRONMENT])
    if kubernetes_manifest_format:
        version = _version_name(version)
    suffix = ".manifest.yaml" if kubernetes_manifest_format else ".yaml"
    with tempfile.TemporaryDirectory() as temporary:
        compiled = [Path(temporary) / f"{name}{suffix}" for name in pipelines]
        for path, graph in zip(compiled, pipelines.values(), strict=True):
            options: dict[str, Any] = {}
            if kubernetes_manifest_format:
                options = _manifest_options(graph, environment, version)
            _compile(graph, path, environment, options)
        for path in _put(compiled, output):
            print(path)


def _compile(
    graph: Any, path: Path, environment: "Environment | None", options: dict[str, Any]
) -> None:
    """Write one pipeline, with the defaults that the environment has for it."""
    known = graph.pipeline_spec.root.input_definitions.parameters
    defaults = environment.parameters if environment else {}
    own = {key: value for key, value in defaults.items() if key in known}
    for key in own:
        known[key].is_optional = True  # kfp does so for defaults in the signature
    compiler.Compiler().compile(graph, str(path), pipeline_parameters=own, **options)


def _put(files: list[Path], folder: Path) -> list[Path]:
    """Move files into a folder, in place of those of their names."""
    from towerflow.errors import InputError

    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Within the folder nothing is copied any more, which could end half-way.
        with tempfile.TemporaryDirectory(dir=folder) as inside:
            near = [Path(shutil.copy(path, inside)) for path in files]
            return [path.replace(folder / path.name) for path in near]
    except OSError as error:
        raise InputError(
            "--output",
            expected="a folder that files can be written into",
            found=f"'{folder}': {error.strerror}",
        ) from None


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
    if len(version) > LONGEST_VERSION or not re.fullmatch(rf"{LABEL}(\.{LABEL})*", version):
        raise InputError(
            "--version",
            expected="small letters and digits, with single dots and with dashes between them, "
            "as Kubernetes names objects",
            found=f"'{version}'",
        )
    return version


def _manifest_options(
    graph: Any, environment: "Environment | None", version: str
) -> dict[str, Any]:
    """Options of kfp's compiler; the versions of all pipelines share a namespace.

    The display names are those of `towerflow upload`, by which submit and schedule look.
    """
    info = graph.pipeline_spec.pipeline_info
    options = KubernetesManifestOptions(
        pipeline_name=info.name,
        pipeline_display_name=info.name,
        pipeline_version_name=f"{info.name}-{version}",
        pipeline_version_display_name=version,
        namespace=environment.server.namespace if environment and environment.server else None,
        include_pipeline_manifest=True,
    )
    return {"kubernetes_manifest_format": True, "kubernetes_manifest_options": options}
