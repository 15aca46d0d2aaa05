"""`python -m pipelines`: compile the DAGs to YAML, run a compiled one on this machine.

The only place that calls kfp's compiler and local runner; the library never imports kfp.
"""

import argparse
import json
import logging
import sys
import warnings
from pathlib import Path

from kfp import compiler, components, dsl, local

from pipelines.compare_models import compare_models
from pipelines.refresh_items import refresh_items
from pipelines.retrain import retrain

PIPELINES = {
    "retrain": retrain,
    "refresh_items": refresh_items,
    "compare_models": compare_models,
}


def compile_pipelines(output: Path) -> None:
    """Write `<name>.yaml` of every pipeline into `output`."""
    output.mkdir(parents=True, exist_ok=True)
    for name, pipeline in PIPELINES.items():
        path = output / f"{name}.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        print(path)


def run_pipeline(yaml: Path, arguments: Path, work: Path, outputs: Path) -> None:
    """Run compiled `yaml` in subprocesses and write the artifacts' paths to `outputs`.

    Args:
        yaml: a compiled pipeline.
        arguments: JSON object of pipeline parameters.
        work: folder for KFP's artifacts and cache, kept between runs.
        outputs: JSON file to write, path or value by output name.
    """
    # The images are for clusters; here the tasks run in this very environment, on purpose.
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # tells of cache hits
    warnings.filterwarnings("ignore", message="You may be attemping to run a task")
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(work / "artifacts"),
        enable_caching=True,
        cache_root=str(work / "cache"),
    )
    pipeline = components.load_component_from_file(str(yaml))
    task = pipeline(**json.loads(arguments.read_text("utf-8")))
    found = {
        name: value.path if isinstance(value, dsl.Artifact) else value
        for name, value in task.outputs.items()
    }
    outputs.write_text(json.dumps(found), "utf-8")


def main(argv: list[str]) -> None:
    """Parse `argv` and act."""
    parser = argparse.ArgumentParser(prog="python -m pipelines", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    compile_command = commands.add_parser("compile", help="write every pipeline's YAML")
    compile_command.add_argument("--output", type=Path, required=True)
    run_command = commands.add_parser("run", help="run a compiled pipeline on this machine")
    for name in ("yaml", "arguments", "work", "outputs"):
        run_command.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args(argv)
    if arguments.command == "compile":
        compile_pipelines(arguments.output)
    else:
        run_pipeline(arguments.yaml, arguments.arguments, arguments.work, arguments.outputs)


if __name__ == "__main__":
    main(sys.argv[1:])
