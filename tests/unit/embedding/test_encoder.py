"""The frozen encoder: a text's embedding is its own, whatever stands beside it."""

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from towerflow.embedding.encoder import (
    TOKENS_AT_ONCE,
    FrozenEncoder,
    encoder_fingerprint,
    length_batches,
    require_model,
)
from towerflow.errors import InputError

TEXTS = ["Yoga mat", "Wooden train set Brand Klimbim Category Home Toys", "Kite"]


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> FrozenEncoder:
    """The tiny Llama."""
    return FrozenEncoder(tiny_encoder, max_tokens=64)


def test_neighbours_in_the_batch_change_nothing(encoder: FrozenEncoder) -> None:
    together = encoder.encode(TEXTS)
    alone = torch.cat([encoder.encode([text]) for text in TEXTS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
    assert together.shape == (3, encoder.embedding_dim)


def test_it_is_the_mean_of_the_last_hidden_states(encoder: FrozenEncoder) -> None:
    ids = encoder.tokenizer("Yoga mat", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        states = encoder.model(ids).last_hidden_state[0]
    torch.testing.assert_close(encoder.encode(["Yoga mat"])[0], states.mean(dim=0))


def test_texts_are_cut_to_max_tokens(tiny_encoder: Path, encoder: FrozenEncoder) -> None:
    short = FrozenEncoder(tiny_encoder, max_tokens=2)
    assert short.count_tokens(TEXTS) == [2, 2, 1]
    torch.testing.assert_close(short.encode(TEXTS[1:2]), encoder.encode(["Wooden train"]))


def test_it_is_frozen(encoder: FrozenEncoder) -> None:
    assert not any(weight.requires_grad for weight in encoder.model.parameters())
    assert not encoder.model.training
    assert not encoder.encode(TEXTS).requires_grad


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_something_is_refused(
    tiny_encoder: Path, tmp_path: Path, missing: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_encoder, folder, ignore=shutil.ignore_patterns(missing))
    with pytest.raises(InputError, match=r"config\.json, tokenizer\.json and .*, found no "):
        require_model(folder)
    with pytest.raises(InputError, match="no such folder"):
        require_model(tmp_path / "nowhere")


def test_the_fingerprint_is_of_what_an_embedding_depends_on(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    before = encoder_fingerprint(tiny_encoder, 64)
    moved = tmp_path / "elsewhere"
    shutil.copytree(tiny_encoder, moved)
    assert encoder_fingerprint(moved, 64) == before
    assert encoder_fingerprint(moved, 63) != before
    weights = moved / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert encoder_fingerprint(moved, 64) != before


@given(st.lists(st.integers(1, 3000), max_size=60))
def test_batches_part_the_texts_within_the_budget(lengths: list[int]) -> None:
    found = list(length_batches(lengths))
    assert sorted(position for batch in found for position in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[position] for position in batch)
        assert len(batch) == 1 or len(batch) * longest <= TOKENS_AT_ONCE
