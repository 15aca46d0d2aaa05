"""LEARN's authors' way: one text at a time through plain transformers, mean of the last layer.

python one_at_a_time.py <model folder> <texts.json> <max tokens> <out.npy>
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer


@torch.inference_mode()
def main(folder: str, texts_file: str, max_tokens: str, out: str) -> None:
    """Print items per second as JSON; keep the embeddings."""
    texts = json.loads(Path(texts_file).read_text("utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def embed(text: str) -> np.ndarray:
        ids = tokenizer(text, truncation=True, max_length=int(max_tokens), return_tensors="pt")
        return model(**ids).last_hidden_state[0].mean(dim=0).numpy()

    embed(texts[0])
    began = time.perf_counter()
    embeddings = np.stack([embed(text) for text in texts])
    seconds = time.perf_counter() - began
    np.save(out, embeddings)
    print(json.dumps({"rates": {"1": len(texts) / seconds}}))


if __name__ == "__main__":
    main(*sys.argv[1:])
