"""Which recipe the command line was given."""

from pathlib import Path

from towerflow.errors import InputError
from towerflow.recipes import load_recipe


def resolve_recipe(recipe: str) -> str:
    """The name of a recipe, or the text of the file it names, checked either way.

    Steps get text rather than a path: KFP's cache would not see that a file has changed.
    """
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        load_recipe(recipe)
        return recipe
    if not path.is_file():
        raise InputError(recipe, expected="a recipe file", found="nothing there")
    text = path.read_text("utf-8")
    load_recipe(text)
    return text
