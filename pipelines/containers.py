"""Each task of a compiled pipeline in a container of its own, on this machine's Docker.

They are held as pods are: nothing writable but /tmp and the folders that the run needs, no
capabilities, and the memory and time that the environment gives their step.
"""

import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kfp import local

if TYPE_CHECKING:
    from towerflow.cluster.environment import Environment
    from towerflow.cluster.task_settings import TaskSettings

READ = ("items", "interactions", "encoder", "initial_model", "previous_dataset")
WRITTEN = ("embedding_store", "release_root", "checkpoints")
WILDCARDS = "*?["
STEP = "--function_to_execute"  # what follows it in a command that kfp compiled
# Prints the first path that cannot be read or, after --, not be written.
LOOK = """
may=-r
for path; do
  if [ "$path" = -- ]; then may=-w; elif [ ! $may "$path" ]; then echo "$path"; exit; fi
done
"""


def run_in_containers(env: str, arguments: Mapping[str, Any], root: Path) -> local.DockerRunner:
    """A runner for `kfp.local.init`, whose containers are started as an environment says.

    Args:
        env: name or file of the environment.
        arguments: pipeline parameters, whose local folders the containers see.
        root: KFP's folder of artifacts.

    Raises:
        InputError: Docker's package for Python is missing, or so is a folder, or the containers
            may not read or write one.
    """
    from towerflow.cluster.environment import Environment, environment_file
    from towerflow.errors import InputError

    try:
        import docker
        from kfp.local import docker_task_handler
    except ModuleNotFoundError:
        raise InputError(
            "--env", expected="Docker's package for Python", found="none", hint="pip install docker"
        ) from None
    environment = Environment.read(environment_file(env))
    read = _local(arguments, READ)
    for path in read:
        if not path.exists() or path == Path("/"):
            found = "the whole disk" if path.exists() else "none"
            raise InputError(path, expected="a file or folder to show containers", found=found)
    client = docker.from_env(timeout=600)  # seconds: it may be building, too
    containers = Containers(environment, client.info().get("SecurityOptions", []))
    written = [root, *_local(arguments, WRITTEN)]
    for folder in written:
        if not folder.exists():
            folder.mkdir(parents=True)
            containers.hand_over(folder)
    containers.show(read, written)
    if refused := containers.refused(client, os.environ["TOWERFLOW_CPU_IMAGE"]):
        raise InputError(
            refused,
            expected=f"a path that containers of user {containers.user} may use",
            found="one that they may not",
            hint="change its mode or that of a folder above it; XDG_CACHE_HOME moves the cache",
        )
    # kfp's own function lets Docker remove a container that has ended, and takes one that is gone
    # for a success (https://github.com/kubeflow/pipelines/issues/13332).
    docker_task_handler.run_docker_container = containers.run
    return local.DockerRunner()


def _local(arguments: Mapping[str, Any], names: tuple[str, ...]) -> list[Path]:
    """Files and folders of this machine among the arguments; of a glob the folder above it."""
    found = []
    for name in names:
        value = arguments.get(name, "")
        if value.startswith("/"):
            path = Path(value)
            while any(wildcard in str(path) for wildcard in WILDCARDS):
                path = path.parent
            found.append(path)
    return found


class Containers:
    """Starts, watches and removes the containers of a run.

    Args:
        environment: settings by step.
        security: what Docker says of its own security.
    """

    def __init__(self, environment: "Environment", security: list[str]) -> None:
        from towerflow.cluster.environment import IMAGE_USER

        self.environment = environment
        # As the caller, so that files are the caller's; who calls as root does not get root.
        self.user = f"{os.getuid()}:{os.getgid()}"
        if "name=rootless" in security:
            self.user = "0:0"  # which is the caller
        elif os.getuid() == 0:
            pods = environment.run_as_user or IMAGE_USER
            self.user = f"{pods}:{pods}"
        self.label = ",z" if "name=selinux" in security else ""
        self.folders: dict[str, dict[str, str]] = {}

    def hand_over(self, folder: Path) -> None:
        """Let the containers write to a folder that was just made."""
        if os.getuid() == 0:
            user, group = map(int, self.user.split(":"))
            os.chown(folder, user, group)

    def show(self, read: list[Path], written: list[Path]) -> None:
        """Let the containers see these paths, under the names that they have here."""
        for mode, paths in (("ro", read), ("rw", written)):
            for path in paths:
                self.folders[str(path)] = {"bind": str(path), "mode": f"{mode}{self.label}"}

    def refused(self, client: Any, image: str) -> str:
        """A path that was to be seen and that a container may not read or write; empty: none."""
        modes = {path: one["mode"].startswith("rw") for path, one in self.folders.items()}
        paths = [path for path, writable in modes.items() if not writable]
        paths += ["--", *(path for path, writable in modes.items() if writable)]
        printed: bytes = client.containers.run(
            image, paths, entrypoint=["sh", "-c", LOOK, "sh"], remove=True, **self._held({})
        )
        return printed.decode().strip()

    def run(
        self,
        client: Any,
        image: str,
        command: list[str],
        volumes: dict[str, dict[str, str]],
        **options: Any,
    ) -> int:
        """Run a task and return its exit code, printing what it prints and why it was ended.

        Args:
            client: of Docker.
            image: name or id.
            command: as the compiled pipeline has it.
            volumes: KFP's own folders.
            options: environment variables, if the compiled pipeline has any.
        """
        step = command[command.index(STEP) + 1]
        settings = self.environment.settings_of(step)
        container = client.containers.create(
            image, command, **self._held(volumes), **_limits(settings), **options
        )
        out_of_time = threading.Event()
        seconds = settings.timeout_seconds or threading.TIMEOUT_MAX
        watch = threading.Timer(seconds, _kill, (container, out_of_time))
        watch.daemon = True
        try:
            container.start()
            watch.start()
            for chunk in container.logs(stream=True, follow=True):
                print(chunk.decode(errors="replace"), end="")
            code: int = container.wait()["StatusCode"]
            watch.cancel()
            watch.join()  # what it did is told below
            container.reload()
            if code:
                print(f"\n{step} {_reason(container, settings, code, out_of_time.is_set())}")
            return code
        finally:
            watch.cancel()
            container.remove(force=True, v=True)

    def _held(self, volumes: dict[str, dict[str, str]]) -> dict[str, Any]:
        """What every container gets, as a pod that is "restricted" does."""
        from docker.types import Mount

        return {
            "volumes": {**self.folders, **volumes},
            # On the disk, as a pod's; a tmpfs would count as memory.
            "mounts": [Mount("/tmp", None)],  # noqa: S108
            "user": self.user,
            "network_mode": self.environment.docker_network,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
        }


def _limits(settings: "TaskSettings") -> dict[str, Any]:
    """Docker's names for them; no swap, as in a pod."""
    from towerflow.cluster.task_settings import amount

    limits: dict[str, Any] = {}
    if settings.memory_limit:
        size = int(amount(settings.memory_limit))
        limits |= {"mem_limit": size, "memswap_limit": size}
    if settings.cpu_limit:
        cores = min(amount(settings.cpu_limit), os.cpu_count() or 1)
        limits["nano_cpus"] = int(cores * 1e9)
    if settings.shared_memory:
        limits["shm_size"] = int(amount(settings.shared_memory))
    return limits


def _reason(container: Any, settings: "TaskSettings", code: int, out_of_time: bool) -> str:
    """Why a container ended with another code than 0."""
    if out_of_time:
        return f"was ended after timeout_seconds: {settings.timeout_seconds}"
    if container.attrs["State"]["OOMKilled"]:
        limit = settings.memory_limit
        least = f"memory_limit: {limit}" if limit else "this machine has"
        return f"was ended for taking more than {least}"
    return f"ended with exit code {code}"


def _kill(container: Any, out_of_time: threading.Event) -> None:
    with contextlib.suppress(Exception):  # it has just ended by itself
        container.kill()
        out_of_time.set()
