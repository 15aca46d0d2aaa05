"""The transformer and the models on it in plain NumPy, one sequence at a time, from formulas."""

import math

import numpy as np
from numpy.typing import NDArray
from torch import nn

from towerflow.models.learn import LearnConfig
from towerflow.models.transformer import TransformerConfig

Floats = NDArray[np.float64]
Weights = dict[str, Floats]


def weights_of(module: nn.Module) -> Weights:
    """All weights and buffers in double precision."""
    return {name: tensor.double().numpy() for name, tensor in module.state_dict().items()}


def part(weights: Weights, name: str) -> Weights:
    """The weights below `name`."""
    return {key[len(name) + 1 :]: w for key, w in weights.items() if key.startswith(f"{name}.")}


def linear(weights: Weights, name: str, x: Floats) -> Floats:
    """W x + b."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def layer_norm(weights: Weights, name: str, x: Floats) -> Floats:
    """(x - mean) / sqrt(variance + 1e-12), scaled and shifted."""
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return normed * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(x: Floats) -> Floats:
    """x Φ(x)."""
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def unit(x: Floats) -> Floats:
    """Of length 1 each."""
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def turn(head: Floats) -> Floats:
    """RoPE as a product of complex numbers: pair i at position p times exp(i p 10000^(-2i/d))."""
    half = head.shape[1] // 2
    frequencies = 10_000.0 ** (-2 * np.arange(half) / head.shape[1])
    phases = np.exp(1j * np.outer(np.arange(len(head)), frequencies))
    turned = (head[:, :half] + 1j * head[:, half:]) * phases
    return np.concatenate([turned.real, turned.imag], axis=1)


def transformer(weights: Weights, config: TransformerConfig, tokens: Floats) -> Floats:
    """`[length, width]` to the same: post-norm layers, each token sees those up to itself."""
    length, width = len(tokens), config.width // config.num_heads
    hidden = tokens
    if config.positions == "learned":
        hidden = hidden + weights["position_embedding.weight"][:length]
    for layer in range(config.num_layers):
        own = part(weights, f"layers.{layer}")
        query, key, value = np.split(linear(own, "query_key_value", hidden), 3, axis=1)
        mixed = np.zeros_like(hidden)
        for head in range(config.num_heads):
            of_head = slice(head * width, (head + 1) * width)
            q, k = query[:, of_head], key[:, of_head]
            if config.positions == "rotary":
                q, k = turn(q), turn(k)
            for place in range(length):
                attention = np.exp(k[: place + 1] @ q[place] / math.sqrt(width))
                attention /= attention.sum()
                mixed[place, of_head] = attention @ value[: place + 1, of_head]
        hidden = layer_norm(own, "attention_norm", hidden + linear(own, "attention_output", mixed))
        inner = linear(own, "feedforward_out", gelu(linear(own, "feedforward_in", hidden)))
        hidden = layer_norm(own, "feedforward_norm", hidden + inner)
    return hidden


def learn(weights: Weights, config: LearnConfig, items: list[int], embeddings: Floats) -> Floats:
    """`[length, dim]`: LEARN's tower over one sequence; the last id is nobody's and zero."""
    tokens = np.zeros((len(items), config.width))
    if config.item_input != "id":
        content = (embeddings[items] - weights["standardise.mean"]) / weights["standardise.scale"]
        tokens = tokens + linear(weights, "content_adaptor", content)
    if config.item_input != "content":
        ids = weights["item_ids.weight"][:-1]
        tokens = tokens + np.stack(
            [ids[item] if item < len(ids) else np.zeros(config.width) for item in items]
        )
    hidden = transformer(part(weights, "transformer"), config, tokens)
    return unit(linear(weights, "output_projection", hidden))
