"""A frozen LLM that turns texts into embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from towerflow.embedding.packing import PACKED, UnpackableError, packed, positions
from towerflow.embedding.pooling import pool
from towerflow.embedding.precision import prepare_linear, weights_dtype
from towerflow.embedding.settings import EncoderSettings
from towerflow.embedding.source import require_model
from towerflow.errors import InputError

_PROBE: Final = ((5, 7, 11, 13, 17, 19, 23), (7, 11, 5), (13, 5, 23))
_SAME: Final = 0.99  # mean cosine; int8 gave .995 where packing is right, any precision < .8 if not

TokenIds = Sequence[int]


class FrozenEncoder:
    """Any transformers encoder or decoder in a local folder, never trained.

    Texts are read end to end, without padding, if the model's attention can be replaced and a
    probe gives the same states as one text at a time; else in a padded batch.

    Args:
        folder: config.json, tokenizer.json and *.safetensors.
        settings: how the model is used.
        device: "cpu", or "cuda:1".

    Attributes:
        is_packed: whether texts are read without padding.

    Raises:
        InputError: `folder` does not hold such a model, or it has no such layer or length.
    """

    def __init__(self, folder: Path, settings: EncoderSettings, device: str = "cpu") -> None:
        require_model(folder)
        self.settings = settings
        self.device = torch.device(device)
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self.model: Any = AutoModel.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=weights_dtype(settings.precision, self.device),
        )
        self.model.eval().requires_grad_(requires_grad=False)
        prepare_linear(self.model, settings.precision, self.device)
        self.model.to(self.device)
        self._linear_weights = sum(
            module.in_features * module.out_features
            for module in self.model.modules()
            if hasattr(module, "in_features")
        )
        self._inputs: dict[str, Any] = {} if _is_encoder(self.model) else {"use_cache": False}
        self._first_position = _first_position(self.model)
        self._check_reach(folder)
        self.is_packed = self._try_packing()

    @property
    def embedding_dim(self) -> int:
        """Length of an embedding."""
        return int(self.model.config.hidden_size)

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text in its prompt, cut to `max_tokens`; at least one."""
        prompted = [self.settings.prompted(text) for text in texts]
        encoded = self.tokenizer(
            prompted,
            truncation=True,
            max_length=self.settings.max_tokens,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        # A text of nothing that the tokenizer knows: some state is needed to pool.
        nothing = [_any_token(self.tokenizer)]
        return [found or nothing for found in encoded["input_ids"]]

    @torch.inference_mode()
    def encode(self, texts: Sequence[TokenIds]) -> Tensor:
        """`[len(texts), embedding_dim]` float32 on the CPU, of tokenised texts in one pass."""
        lengths = torch.tensor([len(ids) for ids in texts], device=self.device)
        hidden = self._packed(texts) if self.is_packed else self._padded(texts)
        embeddings = pool(hidden, lengths, self.settings.pooling)
        if self.settings.l2:
            embeddings = torch.nn.functional.normalize(embeddings)
        return embeddings.cpu()

    def flops(self, lengths: Sequence[int]) -> float:
        """Floating-point operations that texts of so many tokens take: products alone, no padding.

        Two for each weight of a linear layer and token; scores and sums of attention take
        4 · layers · width a pair of tokens, half the pairs where no token sees a later one.
        """
        config = self.model.config
        pairs = sum(length * length for length in lengths)
        width = int(config.num_attention_heads) * _head_dim(config)
        share = 1.0 if _is_encoder(self.model) else 0.5
        attention = 4 * int(config.num_hidden_layers) * width * pairs * share
        return float(2 * self._linear_weights * sum(lengths) + attention)

    def _packed(self, texts: Sequence[TokenIds]) -> Tensor:
        lengths = [len(ids) for ids in texts]
        ids = torch.tensor([token for text in texts for token in text]).unsqueeze(0)
        with packed(lengths, self.settings.max_tokens, self.device) as passed:
            states = self._states(
                input_ids=ids.to(self.device),
                position_ids=(positions(lengths) + self._first_position).to(self.device),
            )[0]
        if passed.num_layers != self.model.config.num_hidden_layers:
            raise UnpackableError("attention of its own")
        return states

    def _padded(self, texts: Sequence[TokenIds]) -> Tensor:
        """States of real tokens. On the right, padding is seen by no token of a decoder."""
        lengths = [len(ids) for ids in texts]
        ids = torch.zeros(len(texts), max(lengths), dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
            mask[row, : len(text)] = 1
        mask = mask.to(self.device)
        return self._states(input_ids=ids.to(self.device), attention_mask=mask)[mask.bool()]

    def _states(self, **inputs: Tensor) -> Tensor:
        """`[batch, length, embedding_dim]` of the chosen layer."""
        last = self.settings.layer == -1
        if "token_type_ids" in self.tokenizer.model_input_names:
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        output = self.model(**inputs, **self._inputs, output_hidden_states=not last)
        if last:
            states: Tensor = output.last_hidden_state
        else:
            states = output.hidden_states[self.settings.layer]
        return states

    def _check_reach(self, folder: Path) -> None:
        """Refuse a layer or a length that the model does not have."""
        num_layers, layer = self.model.config.num_hidden_layers, self.settings.layer
        if not -num_layers - 1 <= layer <= num_layers:
            raise InputError(
                folder, field="layer", expected=f"up to {num_layers}", found=str(layer)
            )
        for name, module in self.model.named_modules():
            if name.endswith("position_embeddings") and hasattr(module, "num_embeddings"):
                most = module.num_embeddings - self._first_position
                if self.settings.max_tokens > most:
                    found = str(self.settings.max_tokens)
                    expected = f"at most {most}, which the model has positions for"
                    raise InputError(folder, field="max_tokens", expected=expected, found=found)

    @torch.inference_mode()
    def _try_packing(self) -> bool:
        """Switch to packed attention if it gives the states of one text at a time."""
        plain = torch.cat([self._padded([ids]) for ids in _PROBE]).float()
        original = self.model.config._attn_implementation
        try:
            self.model.set_attn_implementation(PACKED)
            states = self._packed(_PROBE).float()
        except torch.OutOfMemoryError:
            raise
        except (UnpackableError, ValueError, TypeError, IndexError, ImportError, RuntimeError):
            # The last two: a GPU, a head size or a build of torch without such attention.
            states = torch.zeros_like(plain)
        same = float(torch.cosine_similarity(states, plain).mean()) > _SAME
        if not same:
            self.model.set_attn_implementation(original)
        return same


def _first_position(model: Any) -> int:
    """0, but for RoBERTa and its kin, which count from one after the padding's position."""
    for name, module in model.named_modules():
        if (
            name.endswith("position_embeddings")
            and getattr(module, "padding_idx", None) is not None
        ):
            return int(module.padding_idx) + 1
    return 0


def _is_encoder(model: Any) -> bool:
    """Whether tokens see those after them."""
    return not any(getattr(module, "is_causal", False) for module in model.modules())


def _head_dim(config: Any) -> int:
    return int(
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )


def _any_token(tokenizer: Any) -> int:
    known = (tokenizer.eos_token_id, tokenizer.unk_token_id)
    return next((int(token) for token in known if token is not None), 0)
