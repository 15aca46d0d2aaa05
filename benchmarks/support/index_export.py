"""The step over artifacts of `index_million`, and a release of what it writes.

python -m benchmarks.support.index_export <folder>
"""

import json
import sys
import time
from pathlib import Path

from towerflow.retrieval.pointer import How
from towerflow.retrieval.releases import ReleaseRoot
from towerflow.schema import TOOK, ArtifactKind
from towerflow.steps.export_index import export_index
from towerflow.storage.artifact import new_artifact, read_manifest


def main(folder: str) -> None:
    """Print the seconds of the step and what it found of its index."""
    root = Path(folder)
    began = time.perf_counter()
    export_index(
        root / "dataset",
        root / "embeddings",
        root / "model",
        index_kind="auto",
        recall_target=0.99,
        memory_limit=0,
        export_formats=[],
        index=root / "index",
        summary=root / "index.md",
    )
    seconds = time.perf_counter() - began
    made = read_manifest(root / "index")
    with new_artifact(root / "release", ArtifactKind.RELEASE, "benchmark") as draft:
        for name in made.files:
            (draft.folder / name).parent.mkdir(exist_ok=True)
            (draft.folder / name).hardlink_to(root / "index" / name)
        draft.counts, draft.details = made.counts, made.details
    began = time.perf_counter()
    releases = ReleaseRoot(root / "releases")
    releases.point_to(releases.add(root / "release"), How.PUBLISH)
    published = time.perf_counter() - began
    index, took = made.details["index"], made.details[TOOK]
    print(json.dumps({"seconds": seconds, "publish": published, "index": index, "took": took}))


if __name__ == "__main__":
    main(*sys.argv[1:])
