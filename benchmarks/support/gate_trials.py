"""The gate on trials whose truth is known: equal models, and ones that were made worse."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from towerflow.evaluation.gating import COVERAGE, OPEN, Decision, GateConfig, Outcome, decide
from towerflow.evaluation.metrics import Floats
from towerflow.evaluation.metrics_file import ChampionMetrics, EvaluationMetrics, SliceMetrics
from towerflow.evaluation.protocol import PRIMARY_METRIC
from towerflow.evaluation.resampling import Change, Interval
from towerflow.evaluation.vector_health import VectorHealth
from towerflow.interactions.histories import IntArray

RELEASE = "r-champion"
HEALTHY = VectorHealth(
    dim=64,
    num_items=10_000,
    broken_items=0,
    broken_users=0,
    zero_items=0,
    median_norm=1.0,
    longest_norm=1.0,
    effective_rank=64.0,
)


@dataclass(frozen=True)
class Scores:
    """One model's primary metric.

    Attributes:
        all: `[num_users]`.
        slices: rows of users, and their values, by slice.
    """

    all: Floats
    slices: Mapping[str, tuple[IntArray, Floats]]

    @classmethod
    def read(cls, file: Path) -> Self:
        """What `gate_seeds` wrote."""
        arrays = np.load(file)
        names = [name.removesuffix(" users") for name in arrays if name.endswith(" users")]
        return cls(arrays["all"], {name: (arrays[f"{name} users"], arrays[name]) for name in names})

    def of(self, users: IntArray, num_users: int) -> Self:
        """Those of `users`, who may be drawn several times."""
        slices = {}
        for name, (rows, values) in self.slices.items():
            place = np.full(num_users, -1)
            place[rows] = np.arange(len(rows))
            drawn = place[users]
            slices[name] = (np.flatnonzero(drawn >= 0), values[drawn[drawn >= 0]])
        return type(self)(self.all[users], slices)

    def worse(self, name: str, share: float, rng: np.random.Generator) -> Self:
        """The same with `share` of what slice `name` sums up to taken away, user by user."""
        rows, values = self.slices[name]
        order = rng.permutation(np.flatnonzero(values))
        lost = order[np.cumsum(values[order]) <= share * values.sum()]
        fewer = values.copy()
        fewer[lost] = 0.0
        return type(self)(self.all, {**self.slices, name: (rows, fewer)})


def equal_pairs(one: Scores, other: Scores, trials: int) -> Iterator[tuple[Scores, Scores]]:
    """Challengers and champions that are equally good: resampled users, each model by a coin.

    The coin is thrown user by user, so each of both is one model as often as the other, and they
    differ as much as two seeds do.
    """
    num_users = len(one.all)
    rng = np.random.default_rng(0)
    for _ in range(trials):
        users = rng.integers(num_users, size=num_users)
        coin = rng.random(num_users) < 0.5
        drawn = (one.of(users, num_users), other.of(users, num_users))
        yield _mixed(*drawn, coin), _mixed(*drawn, ~coin)


def decision(challenger: Scores, champion: Scores, config: GateConfig) -> Decision:
    """What the gate says of both."""
    slices = {
        name: _slice(values, champion.slices[name][1])
        for name, (_, values) in challenger.slices.items()
        if len(values) and name in {guard.partition("=")[0] for guard in config.guarded_slices}
    }
    own, other = float(challenger.all.mean()), float(champion.all.mean())
    metrics = EvaluationMetrics(
        primary_metric=PRIMARY_METRIC,
        protocol="full ranking",
        is_full_ranking=True,
        num_users=len(challenger.all),
        num_items=HEALTHY.num_items,
        model={PRIMARY_METRIC: own, COVERAGE: 1.0},
        intervals={},
        baselines={},
        champion=ChampionMetrics(
            release=RELEASE,
            metrics={PRIMARY_METRIC: other, COVERAGE: 1.0},
            exposure=[],
            unknown_items=0,
            not_comparable="",
        ),
        changes={"champion": Change.of(challenger.all, champion.all)},
        slices=slices,
        exposure=[],
        health=HEALTHY,
        spectra=[],
        serves_new_items=True,
        dataset="",
    )
    return decide(metrics, RELEASE, config)


def opens(challenger: Scores, champion: Scores, config: GateConfig) -> bool:
    """Whether the gate does."""
    return decision(challenger, champion, config).decision == OPEN


def catches(challenger: Scores, champion: Scores, name: str, margin: float) -> bool:
    """Whether the guard of slice `name` fails."""
    config = GateConfig(guarded_slices=(f"{name}={margin}",))
    checks = decision(challenger, champion, config).checks
    return any(check.name == name and check.outcome is Outcome.FAILED for check in checks)


def _mixed(one: Scores, other: Scores, coin: np.ndarray) -> Scores:
    slices = {
        name: (rows, np.where(coin[rows], values, other.slices[name][1]))
        for name, (rows, values) in one.slices.items()
    }
    return Scores(np.where(coin, one.all, other.all), slices)


def _slice(own: Floats, other: Floats) -> SliceMetrics:
    return SliceMetrics(
        description="",
        users=len(own),
        metrics={PRIMARY_METRIC: float(own.mean())},
        interval=Interval(low=0.0, high=0.0),
        champion={PRIMARY_METRIC: float(other.mean())},
        change=Change.of(own, other),
    )
