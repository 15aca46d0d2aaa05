"""Metrics and decisions as Markdown."""

from tests.unit.evaluation.made_up import change, metrics, part
from tests.unit.evaluation.trials import trial
from towerflow.evaluation.gating import GateConfig, decide
from towerflow.evaluation.metrics_file import ChampionMetrics, EvaluationMetrics
from towerflow.evaluation.resampling import Interval
from towerflow.reporting.markdown import SHOWN, summarise, summarise_decision, summarise_index
from towerflow.retrieval.item_index import IndexKind, IndexRecord


def rows(markdown: str) -> list[list[str]]:
    """The cells of all tables' rows."""
    lines = [line for line in markdown.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]


def measured(slice_name: str = "history: cold") -> EvaluationMetrics:
    """A model that has .25 of everything, a champion with .2, and one slice."""
    found = metrics(change(0.2, 0.3), slices={slice_name: part(40, None)})
    assert found.champion is not None
    return found.model_copy(
        update={
            "model": dict.fromkeys(SHOWN, 0.25),
            "intervals": {"ndcg@10": Interval(low=0.22, high=0.28)},
            "champion": ChampionMetrics(
                **found.champion.model_dump(exclude={"metrics"}), metrics=dict.fromkeys(SHOWN, 0.2)
            ),
            "baselines": {"popularity": dict.fromkeys(SHOWN, 0.1)},
        }
    )


def test_it_begins_with_what_matters() -> None:
    text = summarise(measured(), trial([0.25], seed=3).record)
    assert text.startswith("# learn, seed 3: ndcg@10 0.2500\n")
    assert "95 % interval 0.2200 to 0.2800, over 1,000 users and 1,000 items." in text
    assert "- against champion: +25.0% (95 %: +20.0% to +30.0%), p = 0.0010" in text


def test_models_and_slices_are_rows() -> None:
    found = rows(summarise(measured(), trial([0.25]).record))
    assert found[0] == ["model", *SHOWN]
    assert [row[0] for row in found[1:4]] == ["this model", "champion r-live", "popularity"]
    assert [row[1] for row in found[1:4]] == ["0.2500", "0.2000", "0.1000"]
    assert found[5] == ["history: cold (made up)", "40", "0.2000", "0.1000 to 0.4000"]


def test_what_the_data_say_stays_text() -> None:
    name = "brand: a|b\n<img src=x> ![x](https://example.org) `c`"
    text = summarise(measured(name), trial([0.25]).record)
    line = next(line for line in text.splitlines() if line.startswith("| brand"))
    assert line.startswith(
        r"| brand: a\|b &lt;img src=x> !\[x](https://example.org) \`c\` (made up) | 40 |"
    )


def test_a_decision_lists_its_checks() -> None:
    worse = metrics(change(-0.4, -0.2))
    for force, verdict in (("", "# The gate is closed"), ("a wish", "# The gate was forced open")):
        decision = decide(worse, "r-live", GateConfig(guarded_slices=()), force)
        text = summarise_decision(decision)
        assert text.startswith(f"{verdict}\n\n")
        assert [row[:2] for row in rows(text)] == [
            ["check", "outcome"],
            ["vectors", "passed"],
            ["champion", "passed"],
            ["ndcg@10", "failed"],
            ["coverage@10", "passed"],
        ]
    opened = decide(metrics(), None, GateConfig())
    assert summarise_decision(opened).startswith("# The gate is open\n\nthere is no champion yet")


def test_an_index_is_told_with_what_it_finds_takes_and_compares() -> None:
    record = IndexRecord(
        kind=IndexKind.IVF,
        effort=7,
        rerank=1,
        recall=0.99513,
        recall_k=100,
        recall_target=0.99,
        num_queries=500,
        compared=0.0034,
        memory_bytes=3 * 2**20 * 1000 + 2**19,
        note="the first | best",
    )
    text = summarise_index(record, 1_234_567, 64, {"build_seconds": 12.5, "search_p95_ms": 0.25})
    assert text.startswith("# Index: ivf\n\n| what | found |\n|---|---|\n")
    assert text.endswith("|\n")
    assert rows(text) == [
        ["what", "found"],
        ["items × dimensions", "1,234,567 × 64"],
        ["kind", r"ivf: the first \| best"],
        ["recall@100, 500 held-out users and items", "0.9951 (target 0.99)"],
        ["items compared for a query", "0.3%"],
        ["memory when served", "3,000.5 MB"],
        ["build seconds", "12.5"],
        ["search p95 ms", "0.25"],
    ]
