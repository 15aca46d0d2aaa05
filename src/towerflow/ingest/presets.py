"""Layouts of well-known public dumps, as they come from their publishers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from towerflow.errors import InputError
from towerflow.ingest.layout import EVENT_COLUMNS, Layout
from towerflow.schema import TEXT_FIELDS


@dataclass(frozen=True)
class Preset:
    """How items and interactions are written; several layouts where a family has several forms.

    Of a source's files each is read with the first layout whose `files` match its name.
    """

    items: tuple[Layout, ...]
    interactions: tuple[Layout, ...]

    def with_columns(self, columns: Mapping[str, tuple[str, ...]]) -> "Preset":
        """The preset with the user's mapping laid over its own.

        A name that is none of ours may be read from both, to slice by.
        """
        items = {name: to for name, to in columns.items() if name not in _EVENTS_ONLY}
        events = {name: to for name, to in columns.items() if name not in TEXT_FIELDS}
        return Preset(
            tuple(replace(layout, columns={**layout.columns, **items}) for layout in self.items),
            tuple(
                replace(layout, columns={**layout.columns, **events})
                for layout in self.interactions
            ),
        )


_EVENTS_ONLY: Final = frozenset(EVENT_COLUMNS) - {"item_id"}
_RATINGS: Final = ("userId", "movieId", "rating", "timestamp")
_GENRES: Final = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_MOVIE: Final = {"item_id": ("movieId",), "title": ("title",), "categories": ("genres",)}
_VIEWING: Final = {"user_id": ("userId",), "item_id": ("movieId",)}
_REVIEW: Final = {
    "user_id": ("reviewerID",),
    "item_id": ("asin",),
    "timestamp": ("unixReviewTime",),
    "rating": ("overall",),
}

PRESETS: Final[Mapping[str, Preset]] = {
    "": Preset((Layout(),), (Layout(),)),
    # meta_*.json.gz holds Python dicts, not JSON; reviews_*.json.gz is JSON Lines.
    "amazon-2014": Preset(
        items=(Layout({"item_id": ("asin",)}, ("meta_*",), "python"),),
        interactions=(
            Layout(_REVIEW, ("reviews_*",), "jsonl"),
            Layout(
                files=("ratings_*",),
                format="csv",
                header=("user_id", "item_id", "rating", "timestamp"),
            ),
        ),
    ),
    "amazon-2018": Preset(
        items=(
            Layout(
                {
                    "item_id": ("asin",),
                    "categories": ("category",),
                    "description": ("description", "feature"),
                },
                ("meta_*",),
                "jsonl",
            ),
        ),
        interactions=(
            Layout(_REVIEW, ("*.json*",), "jsonl"),
            Layout(
                files=("*.csv*",),
                format="csv",
                header=("item_id", "user_id", "rating", "timestamp"),
            ),
        ),
    ),
    "amazon-2023": Preset(
        items=(
            Layout(
                {
                    "item_id": ("parent_asin",),
                    "brand": ("store",),
                    "description": ("description", "features"),
                },
                ("meta_*",),
            ),
        ),
        interactions=(Layout({"item_id": ("parent_asin",)}, ("*.jsonl*", "*.csv*", "*.parquet")),),
    ),
    "movielens": Preset(
        items=(
            Layout(_MOVIE, ("movies.csv*",)),
            Layout(
                _MOVIE,
                ("movies.dat",),
                "delimited",
                "::",
                tuple(s for (s,) in _MOVIE.values()),
                encoding="latin-1",
            ),
            Layout(
                _MOVIE,
                ("u.item",),
                "delimited",
                "|",
                ("movieId", "title", "released", "video_released", "imdb", *_GENRES),
                flags=_GENRES,
                encoding="latin-1",
            ),
        ),
        interactions=(
            Layout(_VIEWING, ("ratings.csv*",)),
            Layout(_VIEWING, ("ratings.dat",), "delimited", "::", _RATINGS),
            Layout(_VIEWING, ("u.data",), "delimited", "\t", _RATINGS),
        ),
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name; the empty name is that of files with our own column names.

    Raises:
        InputError: there is no such preset.
    """
    if name not in PRESETS:
        known = " or ".join(sorted(filter(None, PRESETS)))
        raise InputError("preset", expected=known, found=f"'{name}'")
    return PRESETS[name]
