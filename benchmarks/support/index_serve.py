"""A published release as a service sees it: how long it takes to open, how fast and good it finds.

python -m benchmarks.support.index_serve <release root> <users> [exact]

With `exact`, the peer: faiss' own exact index of the same vectors, asked the same. Users are of the
release, drawn with another seed than those that the index was tuned with.
"""

import json
import resource
import sys
import time
from typing import Any

import faiss
import numpy as np

from towerflow.retrieval.item_index import search_parameters
from towerflow.retrieval.release import Release

K = 100
SEED = 1
ONE_BY_ONE = 500


def main(root: str, users: str, exact: str = "") -> None:
    """Print what was measured, and the scores of the last of the best of each user."""
    began = time.perf_counter()
    release = Release.open(root)
    opened = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    ids = list(np.random.default_rng(SEED).choice(release.user_ids[:], int(users), replace=False))
    queries = release.user_vectors(ids)
    record, index = release.index.record, release.index.faiss
    parameters = search_parameters(record.kind, index, record.effort)
    if exact:
        index, parameters = faiss.IndexFlatIP(queries.shape[1]), None
        index.add(np.ascontiguousarray(release.index.vectors))
    found = {"open": opened, "memory": memory, "compared": record.compared}
    print(json.dumps(found | speed(index, parameters, queries) | served(release, ids, exact)))


def speed(index: Any, parameters: Any, queries: Any) -> dict[str, Any]:
    """Queries a second, all at once on all cores and one after the other; and what was found."""
    index.search(queries[:64], K, params=parameters)
    began = time.perf_counter()
    scores, _ = index.search(queries, K, params=parameters)
    batch = len(queries) / (time.perf_counter() - began)
    few = queries[:ONE_BY_ONE]
    began = time.perf_counter()
    for query in few:
        index.search(query.reshape(1, -1), K, params=parameters)
    single = len(few) / (time.perf_counter() - began)
    return {"batch": batch, "single": single, "scores": scores.tolist()}


def served(release: Release, ids: list[str], exact: str) -> dict[str, float]:
    """`recommend` a second, all of it: history, user tower, search, titles."""
    if exact:
        return {}
    few = ids[:ONE_BY_ONE]
    began = time.perf_counter()
    for user in few:
        release.recommend(user=user, k=10)
    return {"recommend": len(few) / (time.perf_counter() - began)}


if __name__ == "__main__":
    main(*sys.argv[1:])
