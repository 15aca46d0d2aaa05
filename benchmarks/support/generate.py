"""Made-up raw data of any size: dirty items, and interactions with popular items and busy users."""

import json
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

WORDS = (
    *("stapler", "paper", "red", "blue", "heavy", "duty", "office", "chair", "desk", "lamp"),
    *("pencil", "folder", "binder", "glue", "tape", "large", "small", "pack", "premium", "steel"),
    *("plastic", "wooden", "black", "white", "printer", "ink", "label", "marker", "eraser"),
    *("café", "naïve", "文件夹", "订书机", "8½", "ﬁle"),
)
ENTITIES = (
    *("&amp;", "&quot;", "&#39;", "&nbsp;", "&eacute;", "&lt;b&gt;", "&reg;", "&#8217;"),
    *("&amp;amp;", "&hellip;"),
)
TAGS = ("<br>", "<b>", "</b>", '<p class="x">', "</p>", "<li>", "<!-- c -->")
URLS = ("http://www.example.com/a/b?c=1", "https://shop.example.org/item/12", "www.example.net/x")
INTERACTIONS_PER_USER = 50
INTERACTIONS_PER_ITEM = 200


def write_items(path: Path, num_items: int) -> None:
    """JSON lines of 550 bytes: entities, tags, URLs, nulls, lists, fields nobody needs."""
    rng = random.Random(0)  # noqa: S311 (not for secrets)
    with path.open("w", encoding="utf-8") as file:
        for number in range(num_items):
            row = {
                "item_id": f"B{number:09d}",
                "title": _text(rng, 8),
                "brand": rng.choice(["Acme", "N/A", "Copper &amp; Co", "", None]),
                "categories": ["Office", "Paper & more", rng.choice(WORDS)],
                "description": _text(rng, rng.randint(5, 70)),
                "price": rng.random(),
                "also_buy": [f"B{rng.randrange(num_items):09d}" for _ in range(3)],
            }
            file.write(json.dumps(row, ensure_ascii=rng.random() < 0.5) + "\n")


def _text(rng: random.Random, num_words: int) -> str:
    words = []
    for _ in range(num_words):
        drawn = rng.random()
        if drawn < 0.04:
            words.append(rng.choice(ENTITIES))
        elif drawn < 0.09:
            words.append(rng.choice(TAGS))
        elif drawn < 0.10:
            words.append(rng.choice(URLS))
        else:
            words.append(rng.choice(WORDS) + ("." if drawn < 0.17 else ""))
    return rng.choice([" ", " ", "  "]).join(words)


def write_interactions(folder: Path, num_interactions: int) -> None:
    """`items.parquet` and `interactions.parquet`; timestamps are whole days, as Amazon has."""
    rng = np.random.default_rng(0)
    num_users = num_interactions // INTERACTIONS_PER_USER
    num_items = num_interactions // INTERACTIONS_PER_ITEM
    popularity = 1 / (np.arange(num_items) + 50.0) ** 1.4  # a long tail for the core to bite
    activity = rng.lognormal(0, 1, num_users)
    user = rng.choice(num_users, num_interactions, p=activity / activity.sum())
    item = rng.choice(num_items, num_interactions, p=popularity / popularity.sum())
    day = 1_300_000_000 // 86_400 + rng.integers(0, 1000, num_interactions)
    events = {
        "user_id": _ids("A1XU", user),
        "item_id": _ids("B00", item),
        "timestamp": day * 86_400,
    }
    folder.mkdir(parents=True)
    pq.write_table(pa.table(events), folder / "interactions.parquet", row_group_size=500_000)
    every = np.arange(num_items)
    items = {"item_id": _ids("B00", every), "title": _ids("Item number ", every)}
    pq.write_table(pa.table(items), folder / "items.parquet")


def _ids(prefix: str, numbers: np.ndarray) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")
