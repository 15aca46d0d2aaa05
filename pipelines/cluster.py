"""What tasks ask of Kubernetes: the settings of an environment file, applied to a DAG's tasks.

The environment is named by TOWERFLOW_ENVIRONMENT, which like the images (docs/adr/0002) is read
when a pipeline is compiled. Without one nothing is asked.
"""

import os
from typing import TYPE_CHECKING

from kfp import dsl, kubernetes

if TYPE_CHECKING:
    from towerflow.cluster.task_settings import TaskSettings

ENVIRONMENT = "TOWERFLOW_ENVIRONMENT"


def on_cluster(*tasks: dsl.PipelineTask) -> None:
    """Give each task the settings that the environment has for its step."""
    if not (name := os.environ.get(ENVIRONMENT)):
        return
    from towerflow.cluster.environment import Environment, environment_file

    environment = Environment.read(environment_file(name))
    for task in tasks:
        settings = environment.settings_of(task.component_spec.name.replace("-", "_"))
        _ask_for_resources(task, settings)
        _ask_for_tries(task, settings)
        _choose_nodes(task, settings)
        _mount(task, settings)
        for secret in settings.secrets or ():
            kubernetes.use_secret_as_env(task, secret.name, secret.variables)
        if environment.images.pull_policy:
            kubernetes.set_image_pull_policy(task, environment.images.pull_policy)
        if environment.images.pull_secrets:
            kubernetes.set_image_pull_secrets(task, list(environment.images.pull_secrets))
        # The back end adds the rest of what Pod Security's "restricted" wants, but not this.
        kubernetes.set_security_context(
            task, run_as_user=environment.run_as_user, run_as_non_root=True
        )


def _ask_for_resources(task: dsl.PipelineTask, settings: "TaskSettings") -> None:
    if settings.cpu_request:
        task.set_cpu_request(settings.cpu_request)
    if settings.cpu_limit:
        task.set_cpu_limit(settings.cpu_limit)
    if settings.memory_request:
        task.set_memory_request(settings.memory_request)
    if settings.memory_limit:
        task.set_memory_limit(settings.memory_limit)


def _ask_for_tries(task: dsl.PipelineTask, settings: "TaskSettings") -> None:
    if settings.caching is False:  # True leaves what the DAG says of a task that looks each time
        task.set_caching_options(enable_caching=False)
    if settings.timeout_seconds:
        kubernetes.set_timeout(task, settings.timeout_seconds)
    if retries := settings.retries:
        task.set_retry(
            num_retries=retries.count,
            backoff_duration=f"{retries.backoff_seconds}s",
            backoff_factor=retries.backoff_factor,
            backoff_max_duration=f"{retries.window(settings.timeout_seconds)}s",
        )


def _choose_nodes(task: dsl.PipelineTask, settings: "TaskSettings") -> None:
    for label, value in (settings.node_selector or {}).items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in settings.tolerations or ():
        kubernetes.add_toleration(task, **toleration.model_dump(exclude_none=True))


def _mount(task: dsl.PipelineTask, settings: "TaskSettings") -> None:
    # The one folder that steps write to beside KFP's own, so that all else may be read-only.
    kubernetes.empty_dir_mount(task, volume_name="towerflow-tmp", mount_path="/tmp")  # noqa: S108
    if settings.shared_memory:
        kubernetes.empty_dir_mount(
            task,
            volume_name="towerflow-shared-memory",
            mount_path="/dev/shm",  # noqa: S108
            medium="Memory",
            size_limit=settings.shared_memory,
        )
    for volume in settings.volumes or ():
        kubernetes.mount_pvc(task, volume.claim, volume.mount_path)
