"""Images that lie on this machine, asked of Docker's own command line."""

import subprocess
from collections.abc import Mapping

from towerflow.errors import InputError


def image_ids(images: Mapping[str, str]) -> dict[str, str]:
    """The id of each image, which stands for its content as no tag does (docs/adr/0002).

    Args:
        images: image by what it is for.

    Raises:
        InputError: Docker is not there or does not run, or has no such image.
    """
    return {name: _image_id(image) for name, image in images.items()}


def _image_id(image: str) -> str:
    try:
        done = subprocess.run(
            ["docker", "image", "inspect", "--format", "{{.Id}}", image],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise InputError("docker", expected="Docker on this machine", found="none") from None
    if done.returncode == 0:
        return done.stdout.strip()
    if "no such image" in done.stderr.lower():
        raise InputError(
            image, expected="an image on this machine", found="none", hint="make images builds it"
        )
    raise InputError("docker", expected="a running Docker daemon", found=done.stderr.strip())
