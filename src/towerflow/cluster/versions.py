"""What a pipeline version is named: the commit that it was compiled from."""

import subprocess
from typing import Final

from towerflow.errors import InputError

DIRTY: Final = "-dirty"
_LENGTH: Final = 12  # characters of a commit, as in the Makefile
# What a version is made of: the same files as the images (IN_IMAGE in the Makefile), and the
# environments that are compiled in. Others, such as credentials of a CI, may lie beside them.
MADE_OF: Final = (
    *("LICENSE", "README.md", "constraints.txt", "pyproject.toml"),
    *("containers", "src", "components", "pipelines", "environments"),
)


def commit_version() -> str:
    """The commit in short; with -dirty where a file that matters differs from it.

    Raises:
        InputError: this is no git checkout.
    """
    commit = _git("rev-parse", f"--short={_LENGTH}", "HEAD")
    paths = [f":(top){path}" for path in MADE_OF]  # also from a folder below
    return commit + (DIRTY if _git("status", "--porcelain", "--", *paths) else "")


def _git(*arguments: str) -> str:
    expected = "a git checkout with a commit, which names the version"
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InputError("--version", expected=expected, found="no git on PATH") from None
    if done.returncode:
        found = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise InputError("--version", expected=expected, found=found, hint="or name it yourself")
    return done.stdout.strip()
