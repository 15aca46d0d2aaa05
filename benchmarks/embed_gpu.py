"""A 7B-shaped decoder with random weights on item texts: packed against padded, on one GPU.

Both sides read the same texts in bfloat16, within the same budget of tokens a batch. The peer is
plain transformers with its fused attention over padded batches in the order of the catalogue.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaModel

from benchmarks.support.measure import bar, report
from towerflow.embedding.batches import next_batch
from towerflow.embedding.devices import device_peak
from towerflow.embedding.encoder import FrozenEncoder
from towerflow.embedding.settings import EncoderSettings, Precision

DEVICE = "cuda:0"
SHAPE = {
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
}
BUDGET = 32_768  # tokens a batch, padding counted
NUM_TEXTS, MAX_TOKENS = 4_000, 256
REPEATS = 3

TokenIds = list[int]


def item_lengths() -> list[int]:
    """Tokens of made-up items: titles of 20 on, descriptions cut at MAX_TOKENS; mean about 140."""
    source = random.Random(0)  # noqa: S311 (not for secrets)
    return [min(MAX_TOKENS, 20 + round(source.expovariate(1 / 140))) for _ in range(NUM_TEXTS)]


def make_encoder(folder: Path) -> FrozenEncoder:
    """Random weights of that shape; a tokenizer that is never asked."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))  # noqa: S106
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    torch.set_default_dtype(torch.bfloat16)
    LlamaModel(LlamaConfig(**SHAPE)).save_pretrained(folder)
    torch.set_default_dtype(torch.float32)
    settings = EncoderSettings(max_tokens=MAX_TOKENS, precision=Precision.BFLOAT16)
    return FrozenEncoder(folder, settings, DEVICE)


def ours(encoder: FrozenEncoder, texts: list[TokenIds]) -> None:
    """Sorted, end to end."""
    ordered = sorted(texts, key=len, reverse=True)
    lengths = [len(ids) for ids in ordered]
    start = 0
    while start < len(ordered):
        stop = next_batch(lengths, start, BUDGET, is_packed=True)
        encoder.encode(ordered[start:stop])
        start = stop


@torch.inference_mode()
def padded(encoder: FrozenEncoder, texts: list[TokenIds]) -> None:
    """Plain transformers: batches in order, padded to the longest, mean of the last layer."""
    size = BUDGET // MAX_TOKENS
    for start in range(0, len(texts), size):
        batch = texts[start : start + size]
        ids = torch.zeros(len(batch), max(map(len, batch)), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(batch):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        mask = mask.to(DEVICE)
        hidden = encoder.model(
            input_ids=ids.to(DEVICE), attention_mask=mask, use_cache=False
        ).last_hidden_state
        real = mask.unsqueeze(-1)
        ((hidden * real).sum(dim=1) / real.sum(dim=1)).float().cpu()


def seconds(run: Callable[[FrozenEncoder, list[TokenIds]], None], *arguments: object) -> float:
    """Median of REPEATS, after one to warm up."""
    took = []
    for _ in range(REPEATS + 1):
        torch.cuda.synchronize()
        began = time.perf_counter()
        run(*arguments)  # type: ignore[arg-type]
        torch.cuda.synchronize()
        took.append(time.perf_counter() - began)
    return statistics.median(took[1:])


def main() -> None:
    """Both bars."""
    if not torch.cuda.is_available():
        sys.exit("embed_gpu needs a CUDA device, there is none here")
    lengths = item_lengths()
    source = random.Random(1)  # noqa: S311
    texts = [source.choices(range(1, SHAPE["vocab_size"]), k=length) for length in lengths]
    with tempfile.TemporaryDirectory() as folder:
        encoder = make_encoder(Path(folder))
        assert encoder.is_packed, "packed attention is what is measured"
        packed_seconds = seconds(ours, encoder, texts)
        encoder.model.set_attn_implementation("sdpa")
        padded_seconds = seconds(padded, encoder, texts)
    peak = device_peak(DEVICE)
    assert peak is not None, f"nobody knows the peak of {torch.cuda.get_device_name(DEVICE)}"
    utilisation = encoder.flops(lengths) / packed_seconds / peak
    ratio = padded_seconds / packed_seconds
    print(f"{sum(lengths):,} tokens in {packed_seconds:.1f} s, padded in {padded_seconds:.1f} s")
    report(
        "embed_gpu",
        [
            bar(
                "share of the peak, real tokens",
                utilisation,
                "",
                ">= 0.5",
                holds=utilisation >= 0.5,
            ),
            bar("7B-shaped / padded transformers", ratio, "×", ">= 2", holds=ratio >= 2),
        ],
    )


if __name__ == "__main__":
    main()
