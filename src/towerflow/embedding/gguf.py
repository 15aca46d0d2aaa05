"""Turn a GGUF file into a model folder that loads in a second instead of a minute."""

import contextlib
import io
from pathlib import Path

import torch
from transformers import AutoModel, AutoTokenizer


def convert_gguf(file: Path, folder: Path) -> None:
    """Dequantise `file` to float32 and write config, tokenizer and safetensors to `folder`."""
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    with contextlib.redirect_stderr(io.StringIO()):  # a progress bar that can't be switched off
        quantised = AutoModel.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    config = quantised.config
    # transformers refuses to save what it still takes for a quantised model.
    del config.quantization_config
    model = type(quantised)(config)
    model.load_state_dict(quantised.state_dict())
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
