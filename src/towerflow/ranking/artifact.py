"""The RankingAdaptor artifact: trained from labelled pairs, used to write features for others."""

import json
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from towerflow.errors import InputError
from towerflow.ranking.adaptor import RankingAdaptor, RankingAdaptorConfig
from towerflow.ranking.fit import fit_adaptor
from towerflow.ranking.pairs import read_pairs
from towerflow.retrieval.release import Release
from towerflow.schema import ArtifactKind
from towerflow.storage.artifact import new_artifact, open_artifact, read_manifest
from towerflow.storage.files import new_file

CONFIG_FILE: Final = "config.json"
TENSORS_FILE: Final = "adaptor.safetensors"
STEP: Final = "ranking"
RELEASE_ID: Final = "release_id"
VECTOR_SPACE: Final = "vector_space"
PAIRS_AT_ONCE: Final = 65_536
FUSION, USER_VECTOR, ITEM_VECTOR = "fusion", "user_vector", "item_vector"


def train_ranking_adaptor(
    release: str, conversions: Path, config: RankingAdaptorConfig, adaptor: Path
) -> float:
    """Train an adaptor on a release's vectors and write its artifact.

    Args:
        release: a release, or a release root, whose current one is meant.
        conversions: Parquet with user_id, item_id, converted; of a time after the release's data,
            else user vectors know what they are asked for.
        config: size and training.
        adaptor: where the RankingAdaptor is written.

    Returns:
        AUC on held-out users, who also chose the epoch.

    Raises:
        InputError: unusable pairs, or a damaged release.
    """
    opened = Release.open(release)
    pairs = read_pairs(opened, conversions, labelled=True)
    fitted, curve = fit_adaptor(pairs, config)
    with new_artifact(adaptor, ArtifactKind.RANKING_ADAPTOR, STEP) as draft:
        content = {"settings": config.model_dump(mode="json"), "dim": fitted.dim}
        (draft.folder / CONFIG_FILE).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        save_file(fitted.state_dict(), draft.folder / TENSORS_FILE)
        draft.counts = {"pairs": len(pairs.user), "unknown_pairs": pairs.num_unknown}
        draft.details = {
            RELEASE_ID: opened.release_id,
            VECTOR_SPACE: opened.vector_space,
            "held_out_auc": list(curve),
        }
        draft.inputs = {"release": read_manifest(opened.folder).content_hash}
    return max(curve)


def open_adaptor(folder: Path) -> RankingAdaptor:
    """Read the RankingAdaptor at `folder`, ready to use.

    Raises:
        InputError: it is missing, damaged or of another kind.
    """
    open_artifact(folder, ArtifactKind.RANKING_ADAPTOR)
    content = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
    try:
        config = RankingAdaptorConfig.model_validate(content["settings"])
    except ValidationError as error:
        raise InputError.from_validation(folder / CONFIG_FILE, "settings", error) from error
    adaptor = RankingAdaptor(config, content["dim"])
    adaptor.load_state_dict(load_file(folder / TENSORS_FILE))
    return adaptor.eval()


@torch.inference_mode()
def write_ranking_features(adaptor: Path, release: str, pairs: Path, features: Path) -> int:
    """Write what a ranking model reads of each pair, beside the columns that `pairs` has.

    Columns `fusion` `[fusion_dim]`, `user_vector` and `item_vector` `[dim]` are added as lists.

    Returns:
        How many rows were left out, their user or item being unknown to the release.

    Raises:
        InputError: the adaptor was fitted on another model; a refreshed release has the same.
    """
    opened, fitted = Release.open(release), open_adaptor(adaptor)
    details = read_manifest(adaptor).details
    if details.get(VECTOR_SPACE) != opened.vector_space:
        raise InputError(
            adaptor,
            expected=f"one that was fitted on the model of {opened.release_id}",
            found=f"{details[RELEASE_ID]}'s, whose vectors mean something else",
        )
    found = read_pairs(opened, pairs, labelled=False)
    taken = {FUSION, USER_VECTOR, ITEM_VECTOR} & set(found.table.column_names)
    if taken:
        raise InputError(pairs, expected="none of the columns that are added", found=min(taken))
    writer = None
    with new_file(features) as draft, draft.open("wb") as file:
        for start in range(0, len(found.user), PAIRS_AT_ONCE):
            rows = np.arange(start, min(start + PAIRS_AT_ONCE, len(found.user)))
            users, items = found.vectors(rows)
            table = found.table.slice(start, len(rows))
            columns = {FUSION: fitted.fuse(users, items), USER_VECTOR: users, ITEM_VECTOR: items}
            for name, values in columns.items():
                table = table.append_column(name, _as_lists(values))
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table)
        assert writer is not None, "read_pairs refuses a file without a known pair"
        writer.close()
    return found.num_unknown


def _as_lists(values: torch.Tensor) -> pa.Array:
    flat = pa.array(values.contiguous().view(-1).numpy())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
