"""A frozen LLM that turns texts into embeddings."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from towerflow.embedding.pooling import mean_pool
from towerflow.errors import InputError
from towerflow.storage.files import sha256

POOLING: Final = "mean of the last hidden layer over real tokens"
WEIGHTS: Final = "*.safetensors"
TOKENS_AT_ONCE: Final = 2048  # padded tokens in a batch: bounds memory, long texts get small ones


class FrozenEncoder:
    """Any transformers encoder or decoder in a local folder, never trained.

    Args:
        folder: config.json, tokenizer.json and *.safetensors.
        max_tokens: texts are cut to this many tokens.

    Raises:
        InputError: `folder` does not hold such a model.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        require_model(folder)
        self.max_tokens = max_tokens
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        # Mean pooling does not mind the side; on the right, causal decoders never see padding.
        self.tokenizer.padding_side = "right"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model: Any = AutoModel.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        self.model.eval().requires_grad_(requires_grad=False).to(self.device)

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return int(self.model.config.hidden_size)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text after the cut to `max_tokens`."""
        encoded = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)
        return [len(ids) for ids in encoded["input_ids"]]

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """`[len(texts), embedding_dim]` float32 on the CPU, one forward pass."""
        batch = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=self.max_tokens,
            padding=True,
            return_tensors="pt",
        ).to(self.device)
        hidden = self.model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False
        ).last_hidden_state
        pooled: Tensor = mean_pool(hidden, batch["attention_mask"]).float().cpu()
        return pooled


def length_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield positions of texts of like length, longest first, within TOKENS_AT_ONCE padded.

    Longest first: a batch that does not fit in memory fails at the start, not after an hour.
    """
    order = sorted(range(len(lengths)), key=lambda position: (-lengths[position], position))
    while order:
        size = max(1, TOKENS_AT_ONCE // max(1, lengths[order[0]]))
        yield order[:size]
        order = order[size:]


def require_model(folder: Path) -> None:
    """Check that `folder` holds a model that can be loaded without running foreign code."""
    for pattern in ("config.json", "tokenizer.json", WEIGHTS):
        if not list(folder.glob(pattern)):
            found = "no such folder" if not folder.is_dir() else f"no {pattern} in it"
            raise InputError(
                folder,
                expected="a model folder with config.json, tokenizer.json and *.safetensors",
                found=found,
            )


def encoder_fingerprint(folder: Path, max_tokens: int) -> str:
    """Hash of all that an embedding depends on beside the text: weights, tokens, pooling, cut."""
    require_model(folder)
    digest = hashlib.sha256(f"{POOLING}\n{max_tokens}\n".encode())
    for pattern in ("config.json", "tokenizer.json", WEIGHTS):
        for path in sorted(folder.glob(pattern)):
            digest.update(sha256(path).encode())
    return digest.hexdigest()[:32]
