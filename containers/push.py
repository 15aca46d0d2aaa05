"""Pushes the images of a commit and writes their digests, which compiled pipelines name.

python3 containers/push.py registry.example.com/team 0a1b2c3 cpu gpu beam > build/images.env
"""

import subprocess
import sys

VARIABLES = {
    "cpu": "TOWERFLOW_CPU_IMAGE",
    "gpu": "TOWERFLOW_GPU_IMAGE",
    "beam": "TOWERFLOW_BEAM_IMAGE",
}


def docker(*arguments: str) -> str:
    """What a command of Docker prints."""
    done = subprocess.run(["docker", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip()


def push(registry: str, revision: str, kind: str) -> str:
    """Push an image as `<registry>/towerflow-<kind>:<revision>`; its name by digest."""
    repository = f"{registry}/towerflow-{kind}"
    image = f"{repository}:{revision}"
    docker("tag", f"towerflow-{kind}:{revision}", image)
    subprocess.run(["docker", "push", image], stdout=sys.stderr, check=True)
    known = docker("image", "inspect", "--format", '{{join .RepoDigests " "}}', image).split()
    # Docker shortens the name of its own hub's repositories, and lists those of other registries.
    name = "/".join(repository.split("/")[-2:])
    ours = [one.rpartition("@")[2] for one in known if one.rpartition("@")[0].endswith(name)]
    if not ours:
        sys.exit(f"docker push {image} ended well, but Docker knows no digest of it")
    return f"{repository}@{ours[0]}"


def main(registry: str, revision: str, kinds: list[str]) -> None:
    """Push each kind."""
    if not registry:
        sys.exit("REGISTRY is missing: make push REGISTRY=registry.example.com/team")
    if revision == "unknown" or revision.endswith("-dirty"):
        sys.exit("an image is named by its commit: there is none, or what was changed since is not")
    if unknown := [kind for kind in kinds if kind not in VARIABLES]:
        sys.exit(f"IMAGES: expected some of {', '.join(VARIABLES)}, found {', '.join(unknown)}")
    print(f"# of commit {revision}")
    for kind in kinds:
        print(f"{VARIABLES[kind]}={push(registry.rstrip('/'), revision, kind)}", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], sys.argv[3:])
    except FileNotFoundError:
        sys.exit("there is no docker on this machine")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)} failed with exit code {error.returncode}")
