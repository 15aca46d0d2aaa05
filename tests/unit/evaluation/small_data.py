"""Datasets whose events can be read by eye, and a model that gives the scores it is told."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor

from towerflow.interactions.dataset import Dataset
from towerflow.interactions.histories import ItemLists
from towerflow.interactions.splits import SplitConfig
from towerflow.schema import SCHEMA_VERSION, ArtifactKind, Manifest, Split

Event = tuple[int, int, Split] | tuple[int, int, Split, float]  # user, item, split, day
Column = dict[str, list[str | None]]

TRAIN, VALIDATION, TEST = Split
FIRST_DAY = 1_700_000_000  # Unix seconds
A_DAY = 86_400
MADE: dict[str, JsonValue] = {"filters": {"min_rating": 0.0}, "catalogue": "all"}


def dataset(
    events: Sequence[Event],
    num_items: int,
    *,
    texts: Sequence[str] | None = None,
    item_columns: Column | None = None,
    event_columns: Column | None = None,
    seconds: float = 1.0,
    split: SplitConfig | None = None,
    made: Mapping[str, JsonValue] | None = None,
    content_hash: str = "d" * 64,
) -> Dataset:
    """One of these events, which are in order; a day without a number is that of the row.

    Args:
        events: ordered by user, then time.
        num_items: size of the catalogue.
        texts: of the items; all the same if not given.
        item_columns: see `Dataset`.
        event_columns: see `Dataset`.
        seconds: by what timestamps in Unix seconds are multiplied.
        split: what the manifest says.
        made: what it says beside that, if it isn't the usual.
        content_hash: of the manifest.
    """
    days = np.array([event[3] if len(event) > 3 else row for row, event in enumerate(events)])
    num_users = max(user for user, *_ in events) + 1
    return Dataset(
        manifest=Manifest(
            schema_version=SCHEMA_VERSION,
            kind=ArtifactKind.DATASET,
            step="test",
            towerflow="test",
            counts={},
            details={
                "split": (split or SplitConfig()).model_dump(mode="json"),
                **MADE,
                **(made or {}),
            },
            inputs={},
            files={},
            content_hash=content_hash,
            manifest_hash="",
        ),
        item_ids=[f"item {item}" for item in range(num_items)],
        titles=[f"Item {item}" for item in range(num_items)],
        texts=list(texts or ["some words"] * num_items),
        user_ids=[f"user {user}" for user in range(num_users)],
        user_index=np.array([event[0] for event in events], dtype=np.int64),
        item_index=np.array([event[1] for event in events], dtype=np.int64),
        timestamp=(FIRST_DAY + A_DAY * days.astype(np.float64)) * seconds,
        split=np.array([event[2].value for event in events], dtype=object),
        item_columns=item_columns or {},
        event_columns=event_columns or {},
    )


class Told:
    """Scores of `table` `[num_users, num_items]`, by the `user_index` of a history."""

    kind = "told"
    serves_new_items = False

    def __init__(self, table: object) -> None:
        self.table = torch.as_tensor(table, dtype=torch.float32)

    def item_vectors(self, embeddings: Tensor) -> Tensor:
        return torch.eye(self.table.shape[1])

    def user_vectors(self, histories: ItemLists, embeddings: Tensor) -> Tensor:
        return self.table[torch.from_numpy(histories.user_index)]
