"""Which recipe the command line was given."""

from pathlib import Path

from towerflow.errors import InputError
from towerflow.recipes import load_recipe


def resolve_recipe(recipe: str) -> str:
    """The name of a recipe, or the text of the file it names, checked either way.

    Steps get text rather than a path: KFP's cache would not see that a file has changed.

    Raises:
        InputError: no such recipe or file, or no recipe in it.
    """
    path = Path(recipe)
    if path.suffix not in (".yaml", ".yml"):
        load_recipe(recipe)
        return recipe
    if not path.is_file():
        raise InputError(recipe, expected="a recipe file", found="nothing there")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(recipe, expected="a recipe file in UTF-8", found=str(error)) from None
    load_recipe(text)
    return text
