"""The raw data that a command works on: the user's, or the bundled default."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from towerflow import bundled
from towerflow.cli_cache import cache_folder
from towerflow.cli_encoder import ChosenEncoder
from towerflow.errors import InputError
from towerflow.ingest.files import find_files
from towerflow.ingest.layout import parse_columns
from towerflow.ingest.presets import find_preset
from towerflow.storage.filesystems import WILDCARDS, absolute, content_version, is_remote
from towerflow.text.template import parse_template


@dataclass(frozen=True)
class DataSource:
    """Raw data, found and named."""

    name: str
    items: str
    interactions: str
    preset: str
    columns: list[str]
    item_template: str

    def arguments(self, encoder: ChosenEncoder) -> dict[str, Any]:
        """The parameters of a pipeline that say what it reads."""
        version = content_version(self.items, self.interactions)
        return {
            "items": absolute(self.items),
            "interactions": absolute(self.interactions),
            "data_version": f"{version}-{encoder.revision[:16]}",
            "encoder": encoder.location,
            "preset": self.preset,
            "columns": self.columns,
            "item_template": self.item_template,
        }


def find_data(
    items: str,
    interactions: str,
    preset: str,
    columns: list[str],
    item_template: str,
    announce: bundled.Announce,
) -> DataSource:
    """The user's data, or MovieLens-100k if none is named; checked as far as names go.

    Raises:
        InputError: only one is named, there is no such file, or an option makes no sense.
    """
    if bool(items) != bool(interactions):
        raise InputError(
            "--items and --interactions", expected="both or neither", found="one of them"
        )
    parse_template(item_template)
    if items:
        layouts = find_preset(preset).with_columns(parse_columns(columns))
        find_files(items, layouts.items)
        if interactions != items:  # `estimate` reads items alone
            find_files(interactions, layouts.interactions)
        return DataSource(data_name(items), items, interactions, preset, columns, item_template)
    found = bundled.movielens_100k(cache_folder(), announce)
    items, interactions = map(str, found)
    return DataSource(bundled.DEFAULT_DATA, items, interactions, preset, columns, item_template)


def data_name(items: str) -> str:
    """A short name for own data: `shop/items.parquet`, `shop/*.json` and `shop` are `shop`."""
    path = PurePosixPath(items.partition("://")[2] or Path(items).absolute().as_posix())
    stem = path.name.split(".")[0]
    is_folder = not is_remote(items) and Path(items).is_dir()
    if not is_folder and (stem == "items" or any(letter in stem for letter in WILDCARDS)):
        stem = path.parent.name
    return stem or "data"
