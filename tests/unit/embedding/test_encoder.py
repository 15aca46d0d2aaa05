"""The frozen encoder: a text's embedding is its own, whatever stands beside it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModel,
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaModel,
    MistralConfig,
    MistralModel,
    MPNetConfig,
    MPNetModel,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
)

from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.precision import available
from towerflow.embedding.settings import EncoderSettings, Pooling, Precision
from towerflow.errors import InputError

TEXTS = ["Yoga mat", "Wooden train set Brand Klimbim Category Home Toys", "Kite"]
SIZE = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
SHARED_HEADS = {"num_key_value_heads": 2, "head_dim": 8}


def opened(folder: Path, **settings: Any) -> FrozenEncoder:
    """The encoder with `max_tokens` 64 unless said otherwise."""
    return FrozenEncoder(folder, EncoderSettings(**{"max_tokens": 64} | settings))


def embed(encoder: FrozenEncoder, *texts: str) -> torch.Tensor:
    """`[len(texts), embedding_dim]`, in one pass."""
    return encoder.encode(encoder.tokenize(texts))


@pytest.fixture(scope="module")
def encoder(tiny_encoder: Path) -> FrozenEncoder:
    """The tiny Llama."""
    return opened(tiny_encoder)


def architecture(kind: str, tiny_encoder: Path, folder: Path) -> Path:
    """A model of that kind with random weights and the tiny tokenizer."""
    models = {
        "llama": lambda: LlamaModel(LlamaConfig(**SIZE, **SHARED_HEADS)),
        "qwen3": lambda: Qwen3Model(Qwen3Config(**SIZE, **SHARED_HEADS)),
        "mistral": lambda: MistralModel(MistralConfig(**SIZE, **SHARED_HEADS, sliding_window=70)),
        "narrow": lambda: MistralModel(MistralConfig(**SIZE, **SHARED_HEADS, sliding_window=4)),
        "bert": lambda: BertModel(BertConfig(**SIZE)),
        "roberta": lambda: RobertaModel(RobertaConfig(**SIZE, pad_token_id=1)),
        "mpnet": lambda: MPNetModel(MPNetConfig(**SIZE)),
    }
    torch.manual_seed(0)
    models[kind]().save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((tiny_encoder / name).read_bytes())
    return folder


@pytest.mark.parametrize(
    ("kind", "is_packed"),
    [
        ("llama", True),
        ("qwen3", True),
        ("mistral", True),
        ("bert", True),
        ("roberta", True),
        ("narrow", False),  # sees four tokens back: packing does not do that
        ("mpnet", False),  # adds to the scores by relative position
    ],
)
def test_a_text_is_embedded_as_if_alone_whatever_the_architecture(
    tiny_encoder: Path, tmp_path: Path, kind: str, is_packed: bool
) -> None:
    encoder = opened(architecture(kind, tiny_encoder, tmp_path))
    assert encoder.is_packed is is_packed
    plain = AutoModel.from_pretrained(tmp_path).eval()
    ids = [[2, 3, 4, 5, 6, 7], [8, 9], [10, 11, 12]]
    with torch.inference_mode():
        alone = [plain(torch.tensor([text])).last_hidden_state[0].mean(dim=0) for text in ids]
    torch.testing.assert_close(encoder.encode(ids), torch.stack(alone), atol=1e-5, rtol=0)


def test_neighbours_in_the_batch_change_nothing(encoder: FrozenEncoder) -> None:
    alone = torch.cat([embed(encoder, text) for text in TEXTS])
    torch.testing.assert_close(embed(encoder, *TEXTS), alone, atol=1e-5, rtol=0)
    assert alone.shape == (3, encoder.embedding_dim)


def test_it_is_what_transformers_says(encoder: FrozenEncoder, tiny_encoder: Path) -> None:
    plain = LlamaModel.from_pretrained(tiny_encoder).eval()
    ids = torch.tensor(encoder.tokenize([TEXTS[1]]))
    with torch.inference_mode():
        states = plain(ids, output_hidden_states=True).hidden_states
    for pooling, expected in {
        Pooling.MEAN: states[-1][0].mean(dim=0),
        Pooling.LAST: states[-1][0, -1],
        Pooling.CLS: states[-1][0, 0],
    }.items():
        found = embed(opened(tiny_encoder, pooling=pooling), TEXTS[1])[0]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    first = embed(opened(tiny_encoder, layer=0), TEXTS[1])[0]
    torch.testing.assert_close(first, states[0][0].mean(dim=0), atol=1e-5, rtol=0)


def test_l2_makes_them_one_long(tiny_encoder: Path, encoder: FrozenEncoder) -> None:
    scaled = embed(opened(tiny_encoder, l2=True), *TEXTS)
    expected = embed(encoder, *TEXTS)
    torch.testing.assert_close(scaled, expected / expected.norm(dim=1, keepdim=True))


def test_texts_are_cut_to_max_tokens(tiny_encoder: Path, encoder: FrozenEncoder) -> None:
    short = opened(tiny_encoder, max_tokens=2)
    assert [len(ids) for ids in short.tokenize(TEXTS)] == [2, 2, 1]
    torch.testing.assert_close(embed(short, TEXTS[1]), embed(encoder, "Wooden train"))


def test_the_prompt_is_read_with_the_text(tiny_encoder: Path, encoder: FrozenEncoder) -> None:
    prompted = opened(tiny_encoder, prompt="Title: {text}")
    torch.testing.assert_close(embed(prompted, "Kite"), embed(encoder, "Title: Kite"))


def test_a_text_without_a_token_has_an_embedding(encoder: FrozenEncoder) -> None:
    assert encoder.tokenizer("  ")["input_ids"] == []
    assert torch.isfinite(embed(encoder, "  ", "Kite")).all()


@pytest.mark.parametrize("precision", [Precision.BFLOAT16, Precision.INT8])
def test_reduced_precision_is_near(
    tiny_encoder: Path, encoder: FrozenEncoder, precision: Precision
) -> None:
    if precision not in available(torch.device("cpu")):
        pytest.skip(f"this CPU has no instructions for {precision}")
    exact = embed(encoder, *TEXTS)
    near = embed(opened(tiny_encoder, precision=precision), *TEXTS)
    assert near.dtype == torch.float32
    assert torch.cosine_similarity(near, exact).min() > 0.99
    assert not torch.equal(near, exact)


def test_it_is_frozen(encoder: FrozenEncoder) -> None:
    assert not any(weight.requires_grad for weight in encoder.model.parameters())
    assert not encoder.model.training
    assert not embed(encoder, *TEXTS).requires_grad


def test_operations_are_counted_from_the_shapes(tiny_encoder: Path, tmp_path: Path) -> None:
    """2 a weight and token; 4 · layers · width a pair of tokens that see one another."""
    width, keys, inner = 32, 2 * 8, 48
    weights = 2 * (2 * width * width + 2 * width * keys + 3 * width * inner)
    decoder = opened(architecture("llama", tiny_encoder, tmp_path / "a"))
    assert decoder.flops([3, 5]) == 2 * weights * 8 + 4 * 2 * width * (9 + 25) / 2
    # BERT's pooler stands beside the layers, and is part of what is loaded.
    weights = 2 * (4 * width * width + 2 * width * inner) + width * width
    bert = opened(architecture("bert", tiny_encoder, tmp_path / "b"))
    assert bert.flops([4]) == 2 * weights * 4 + 4 * 2 * width * 16


@pytest.mark.parametrize(
    ("kind", "settings", "sentence"),
    [
        ("llama", {"layer": 3}, "layer: expected up to 2, found 3"),
        ("llama", {"layer": -4}, "layer: expected up to 2, found -4"),
        ("bert", {"max_tokens": 513}, "max_tokens: expected at most 512, .* found 513"),
        ("roberta", {"max_tokens": 511}, "max_tokens: expected at most 510, .* found 511"),
    ],
)
def test_what_the_model_does_not_reach_is_refused_at_once(
    tiny_encoder: Path, tmp_path: Path, kind: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        opened(architecture(kind, tiny_encoder, tmp_path), **settings)


def test_where_packing_fails_texts_are_read_in_padded_batches(
    tiny_encoder: Path, encoder: FrozenEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_kernel(self: FrozenEncoder, texts: object) -> torch.Tensor:
        raise RuntimeError("no kernel image is available for execution on the device")

    monkeypatch.setattr(FrozenEncoder, "_packed", no_kernel)
    padded = opened(tiny_encoder)
    assert not padded.is_packed
    monkeypatch.undo()
    torch.testing.assert_close(embed(padded, *TEXTS), embed(encoder, *TEXTS), atol=1e-5, rtol=0)
