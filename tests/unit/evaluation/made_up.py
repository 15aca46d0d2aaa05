"""Made-up figures of an evaluation: what the gate, a report or a comparison reads."""

from collections.abc import Mapping

from towerflow.evaluation.metrics_file import ChampionMetrics, EvaluationMetrics, SliceMetrics
from towerflow.evaluation.resampling import Change, Interval
from towerflow.evaluation.vector_health import VectorHealth

PRIMARY = "ndcg@10"
COVERAGE = "coverage@10"
LIVE = "r-live"  # id of the champion's release

SOUND = VectorHealth(
    dim=64,
    num_items=1000,
    broken_items=0,
    broken_users=0,
    zero_items=0,
    median_norm=1.0,
    longest_norm=2.0,
    effective_rank=40.0,
)


def change(low: float, high: float) -> Change:
    """One of this interval, and in its middle; p is small where the interval leaves out 0."""
    p_value = 0.5 if low <= 0 <= high else 0.001
    return Change(change=(low + high) / 2, low=low, high=high, p_value=p_value)


NO_SHARE = Change(change=None, low=None, high=None, p_value=0.5)  # the other finds nothing


def part(users: int, found: Change | None, base: float = 0.2) -> SliceMetrics:
    """A slice; without a change the champion is not asked about it."""
    value = base * (1 + (found.change or 0)) if found else base
    return SliceMetrics(
        description="made up",
        users=users,
        metrics={PRIMARY: value},
        interval=Interval(low=value / 2, high=value * 2),
        champion={PRIMARY: base} if found else None,
        change=found,
    )


def metrics(
    found: Change | None = None,
    *,
    slices: Mapping[str, SliceMetrics] | None = None,
    coverage: float = 0.5,
    champion_coverage: float = 0.5,
    base: float = 0.2,
    users: int = 1000,
    health: VectorHealth = SOUND,
    full_ranking: bool = True,
    release: str = LIVE,
    not_comparable: str = "",
) -> EvaluationMetrics:
    """An evaluation; without a change nothing was live.

    Args:
        found: of the primary metric, against the champion.
        slices: by name.
        coverage: of the model.
        champion_coverage: of the champion.
        base: the champion's primary metric, and the model's if nothing is live.
        users: of the test.
        health: of the vectors.
        full_ranking: whether all items were ranked.
        release: id of the champion.
        not_comparable: why the champion is not.
    """
    value = base * (1 + (found.change or 0)) if found else base
    return EvaluationMetrics(
        primary_metric=PRIMARY,
        protocol="made up",
        is_full_ranking=full_ranking,
        num_users=users,
        num_items=1000,
        model={PRIMARY: value, COVERAGE: coverage},
        intervals={PRIMARY: Interval(low=value / 2, high=value * 2)},
        baselines={"popularity": {PRIMARY: base / 2, COVERAGE: 0.01}},
        champion=ChampionMetrics(
            release=release,
            metrics={PRIMARY: base, COVERAGE: champion_coverage},
            exposure=[],
            unknown_items=0,
            not_comparable=not_comparable,
        )
        if found
        else None,
        changes={"popularity": change(0.5, 1.5), **({"champion": found} if found else {})},
        slices=dict(slices or {}),
        exposure=[],
        health=health,
        spectra=[],
        serves_new_items=True,
        dataset="d" * 64,
    )
