"""Where the command line keeps what it need not fetch or make twice."""

import os
from pathlib import Path

from towerflow.storage.filesystems import absolute


def cache_folder() -> Path:
    """Where downloads and embeddings are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "towerflow"


def checkpoint_folder(checkpoints: str) -> str:
    """Where interrupted training is kept: the user's, or one in the cache."""
    return absolute(checkpoints) if checkpoints else str(cache_folder() / "checkpoints")


def store_root(embedding_store: str) -> str:
    """Root of the embedding store: the user's, or one in the cache."""
    return absolute(embedding_store) if embedding_store else str(cache_folder() / "embeddings")
