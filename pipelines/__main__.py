"""`python -m pipelines`: compile the DAGs to YAML, run a compiled one on this machine."""

import argparse
import sys
from pathlib import Path

from pipelines.compiling import compile_pipelines
from pipelines.running import TaskFailed, run_pipeline

USERS_MISTAKE = 2  # exit code; the last line of stderr is the sentence


def main(argv: list[str]) -> None:
    """Parse `argv` and act."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    compile_command = commands.add_parser("compile", help="write every pipeline's YAML")
    compile_command.add_argument("--output", type=Path, required=True)
    compile_command.add_argument("--env", default="", help="environment, by name or file")
    compile_command.add_argument("--kubernetes-manifest-format", action="store_true")
    compile_command.add_argument("--version", default="", help="name in manifests; else the commit")
    run_command = commands.add_parser("run", help="run a compiled pipeline on this machine")
    for name in ("yaml", "arguments", "work", "outputs"):
        run_command.add_argument(f"--{name}", type=Path, required=True)
    run_command.add_argument("--env", default="", help="run in containers, as it says")
    given = parser.parse_args(argv)
    from towerflow.errors import InputError

    try:
        if given.command == "run":
            run_pipeline(given.yaml, given.arguments, given.work, given.outputs, given.env)
        else:
            compile_pipelines(
                given.output, given.env, given.kubernetes_manifest_format, given.version
            )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USERS_MISTAKE)
    except TaskFailed as error:
        sys.exit(str(error))  # what the task itself said stands above


if __name__ == "__main__":
    main(sys.argv[1:])
