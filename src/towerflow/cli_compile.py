"""`towerflow compile`: the YAML of every pipeline, for an environment or for none."""

from pathlib import Path
from typing import Annotated, Final

import typer

from towerflow.cli_environment import Env
from towerflow.cli_output import announce
from towerflow.cluster.environment import environment_file
from towerflow.errors import InputError
from towerflow.local_run import compile_pipelines

BUILD: Final = Path("build")


def build_folder(env: str) -> Path:
    """Where the YAML of an environment goes; empty: of none."""
    return BUILD / environment_file(env).stem if env else BUILD


def compile_(
    env: Env = "",
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for the YAML files.", show_default="build, or build/<env>"),
    ] = None,
    kubernetes_manifest_format: Annotated[
        bool,
        typer.Option(
            "--kubernetes-manifest-format",
            help="Write Pipeline and PipelineVersion objects, for GitOps.",
        ),
    ] = False,
    version: Annotated[
        str, typer.Option(help="Name of the PipelineVersion.", show_default="the git commit")
    ] = "",
) -> None:
    """Write the YAML of every pipeline, for the Kubeflow UI or for GitOps.

    Images are taken from TOWERFLOW_CPU_IMAGE and TOWERFLOW_GPU_IMAGE, else from the environment.
    Without an environment nothing is asked of Kubernetes.
    """
    if version and not kubernetes_manifest_format:
        raise InputError(
            "--version", expected="--kubernetes-manifest-format beside it", found="none"
        )
    folder = output or build_folder(env)
    for path in compile_pipelines(
        folder, env=env, manifests=kubernetes_manifest_format, version=version
    ):
        announce(str(path))
