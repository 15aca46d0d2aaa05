"""`--env` of the commands that compile for a cluster or ask one."""

from pathlib import Path
from typing import Annotated, Final

import typer

from towerflow.cluster.environment import Environment, environment_file
from towerflow.errors import InputError

VARIABLE: Final = "TOWERFLOW_ENVIRONMENT"

# Not that of `towerflow run`: containers on this machine have to be asked for.
Env = Annotated[
    str,
    typer.Option(
        envvar=VARIABLE,
        help="Environment: the name of one in environments/, or a YAML file.",
        show_default=False,
    ),
]


def required_environment(env: str) -> tuple[Path, Environment]:
    """The file of an environment, and what it says.

    Raises:
        InputError: none was named, or it is not what it should be.
    """
    if not env:
        raise InputError("--env", expected=f"an environment, here or in {VARIABLE}", found="none")
    path = environment_file(env)
    return path, Environment.read(path)
