"""Prints what the images install: the base dependencies and those of the extras that are named."""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["project"]
extras = project["optional-dependencies"]
named = [name for extra in sys.argv[1:] for name in extras[extra]]
print(*project["dependencies"], *named, sep="\n")
