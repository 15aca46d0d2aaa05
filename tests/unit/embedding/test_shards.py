"""The deal is even and the same for everyone."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from towerflow.embedding.shards import BYTES_A_TOKEN, deal
from towerflow.embedding.store import text_keys

WORDS = [
    "yoga",
    "mat",
    "steel",
    "kettle",
    "茶壶",
    "für",
    "draußen",
    "brass",
    "hinge,",
    "40",
    "pieces",
]


def some_texts(num_texts: int) -> list[str]:
    """Distinct texts of 1 to 60 words."""
    source = random.Random(0)
    return [
        f"{number} {' '.join(source.choices(WORDS, k=source.randint(1, 60)))}"
        for number in range(num_texts)
    ]


def test_shards_have_equally_much_to_read() -> None:
    texts = some_texts(1000)
    shard = deal(texts, text_keys(texts), 128, 3)
    words = np.array([len(text.split()) for text in texts])
    load = np.bincount(shard, weights=words)
    assert load.max() / load.min() < 1.02


def test_the_order_of_the_texts_does_not_matter() -> None:
    texts = some_texts(50)
    shuffled = random.Random(1).sample(texts, len(texts))
    by_text = dict(zip(texts, deal(texts, text_keys(texts), 128, 4), strict=True))
    assert dict(zip(shuffled, deal(shuffled, text_keys(shuffled), 128, 4), strict=True)) == by_text


def test_what_is_cut_off_does_not_count() -> None:
    cut = 2 * BYTES_A_TOKEN
    texts = ["a" * (cut + 90), "b" * cut, "c" * cut, "d" * (cut + 1)]
    assert np.bincount(deal(texts, text_keys(texts), 2, 2)).tolist() == [2, 2]
    swapped = ["a" * cut, "b" * cut, "c" * cut, "d" * cut]
    sizes = deal(swapped, text_keys(swapped), 2, 4)
    assert sorted(sizes) == [0, 1, 2, 3]


@given(st.sets(st.text(min_size=1, max_size=20), max_size=40), st.integers(1, 5))
def test_every_text_is_in_one_shard_and_numbers_are_even(texts: set[str], num: int) -> None:
    listed = sorted(texts)
    sizes = np.bincount(deal(listed, text_keys(listed), 9, num), minlength=num)
    assert sizes.sum() == len(listed)
    assert sizes.max() - sizes.min() <= 1
