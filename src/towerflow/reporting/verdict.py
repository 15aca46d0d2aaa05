"""What a report says first: how the model stands, and what to mind."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from towerflow.evaluation.assessment import HeldOut
from towerflow.evaluation.gating import LEAST_USERS
from towerflow.evaluation.metrics_file import CHAMPION, EvaluationMetrics
from towerflow.evaluation.resampling import Change
from towerflow.interactions.splits import SplitKind
from towerflow.reporting.wording import Said, change_in_words, figure, metric_name

SAMPLED: Final = (
    "Only some drawn items competed with those to be found. Such figures can order models wrongly "
    "(Krichene and Rendle, KDD 2020) and can't stand beside figures of full ranking."
)
IDS_ALONE: Final = (
    "This model knows items by their id alone. Items that come after training score alike until it "
    "is trained again."
)
CAVEATS: Final = {
    SplitKind.RANDOM.value: "The split is random: what users did later helps to tell what they did "
    "before, so these numbers are too good to be true.",
    SplitKind.NEW_ITEMS.value: "The items that are tested were never trained on; models that know "
    "items by their id alone cannot find them.",
}


@dataclass(frozen=True)
class Standing:
    """The model beside another one.

    Attributes:
        against: what the other is.
        words: how the model stands.
        interval: of the change; empty without one.
        figures: the primary metric of both.
        sign: better, worse, open, or doubtful where the figures can't be trusted.
    """

    against: str
    words: str
    interval: str
    figures: str
    sign: str


def standings(metrics: EvaluationMetrics) -> list[Standing]:
    """Against the champion, if there is one, and the best baseline."""
    found = []
    if metrics.champion:
        name = f"the champion, release {metrics.champion.release}"
        found.append(_standing(metrics, CHAMPION, name, metrics.champion.metrics))
    best = best_baseline(metrics)
    if best:
        name = f"the best baseline, {best.replace('_', ' ')}"
        found.append(_standing(metrics, best, name, metrics.baselines[best]))
    return found


def best_baseline(metrics: EvaluationMetrics) -> str:
    """The baseline with the highest primary metric; empty without any."""
    values = {name: of[metrics.primary_metric] for name, of in metrics.baselines.items()}
    return max(values, key=lambda name: values[name], default="")


def warnings(metrics: EvaluationMetrics, test: HeldOut) -> list[str]:
    """What a reader has to know before believing the numbers, the worst first."""
    return [*_of_test(metrics, test.data.split_kind), *_of_models(metrics)]


def _of_test(metrics: EvaluationMetrics, split_kind: str) -> Iterator[str]:
    if not metrics.is_full_ranking:
        yield SAMPLED
    if split_kind in CAVEATS:
        yield CAVEATS[split_kind]
    if metrics.num_users < LEAST_USERS:
        users = f"{metrics.num_users} user{'' if metrics.num_users == 1 else 's'}"
        yield f"Only {users} could be tested, which shows little of a model."


def _of_models(metrics: EvaluationMetrics) -> Iterator[str]:
    for problem in metrics.health.problems():
        yield f"The vectors must not be served: {problem}."
    if metrics.not_comparable:
        yield (
            "The model may have been trained on what is tested here, so its figures may be too "
            f"good: {metrics.not_comparable}."
        )
    if metrics.unmeasured:
        yield f"What is live could not be scored: {metrics.unmeasured}."
    champion = metrics.champion
    if champion and champion.not_comparable:
        yield (
            "The champion may have been trained on what is tested here, so its figures may be too "
            f"good: {champion.not_comparable}."
        )
    if champion and champion.unknown_items:
        yield (
            f"The champion can't be asked about {champion.unknown_items:,} of "
            f"{metrics.num_items:,} items: it was trained with another encoder and has no "
            "embedding of theirs."
        )
    if not metrics.serves_new_items:
        yield IDS_ALONE


def _standing(metrics: EvaluationMetrics, key: str, name: str, other: dict[str, float]) -> Standing:
    primary = metrics.primary_metric
    change = metrics.changes.get(key)
    figures = f"{metric_name(primary)} {figure(metrics.primary)} against {figure(other[primary])}"
    if change is None:
        return Standing(name, "not compared", "", figures, "open")
    doubts = metrics.not_comparable
    if key == CHAMPION and metrics.champion is not None:
        doubts += metrics.champion.not_comparable
    is_doubtful = not metrics.is_full_ranking or bool(doubts)
    sign = "doubtful" if is_doubtful else _sign(change)
    return Standing(name, *_said(change, metrics.primary), figures, sign)


def _said(change: Change, primary: float) -> Said:
    if change.change is None:
        return Said(
            "it finds nothing, this model does" if primary else "neither finds anything", ""
        )
    return change_in_words(change)


def _sign(change: Change) -> str:
    return "better" if change.is_better else "worse" if change.is_worse else "open"
