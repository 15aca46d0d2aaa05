"""A compiled pipeline on this machine: the only caller of kfp's local runners."""

import json
import logging
import warnings
from pathlib import Path

from kfp import components, dsl, local

from pipelines.containers import run_in_containers

FAILURE = "finished with status FAILURE"


class TaskFailed(RuntimeError):  # noqa: N818 (reads better where it is caught)
    """A task of a pipeline failed."""


def run_pipeline(yaml: Path, arguments: Path, work: Path, outputs: Path, env: str) -> None:
    """Run compiled `yaml` and write the artifacts' paths to `outputs`.

    Args:
        yaml: a compiled pipeline.
        arguments: JSON object of pipeline parameters.
        work: folder for KFP's artifacts and cache, kept between runs.
        outputs: JSON file to write, path or value by output name.
        env: environment in whose images each task runs, in a container of its own; empty: in
            subprocesses, in this very environment.

    Raises:
        TaskFailed: a task failed; why stands in what was printed before.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")  # tells of cache hits
    # The images are for clusters; subprocesses ignore them on purpose.
    warnings.filterwarnings("ignore", message="You may be attemping to run a task")
    values = json.loads(arguments.read_text("utf-8"))
    artifacts = work / "artifacts"
    local.init(
        runner=run_in_containers(env, values, artifacts)
        if env
        else local.SubprocessRunner(use_venv=False),
        pipeline_root=str(artifacts),
        enable_caching=True,
        cache_root=str(work / "cache"),
    )
    pipeline = components.load_component_from_file(str(yaml))
    try:
        task = pipeline(**values)
    except RuntimeError as error:
        if FAILURE in str(error):
            raise TaskFailed(str(error)) from None
        raise
    found = {
        name: value.path if isinstance(value, dsl.Artifact) else value
        for name, value in task.outputs.items()
    }
    outputs.write_text(json.dumps(found), "utf-8")
