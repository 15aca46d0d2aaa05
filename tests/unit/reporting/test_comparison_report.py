"""The report of a comparison: self-contained, honest about chance, readable without colours."""

import re

import pytest

from tests.unit.evaluation.held_out import Page
from tests.unit.evaluation.test_comparison import BETTER, REFERENCE, TRIALS, WORST
from tests.unit.evaluation.trials import trial
from tests.unit.reporting.svg_parts import lines, spoken
from towerflow.evaluation.comparison import Trial, compare_trials
from towerflow.evaluation.resampling import Interval
from towerflow.evaluation.training_record import TrainingRecord
from towerflow.reporting.comparison_report import MOST_LINES, render_comparison
from towerflow.reporting.comparison_tables import STRONGEST, leaderboard, slice_table
from towerflow.reporting.tables import Row
from towerflow.reporting.verdict import SAMPLED
from towerflow.reporting.wording import span


def rendered(trials: dict[str, list[Trial]]) -> str:
    """The page on them."""
    return render_comparison(
        compare_trials(trials, {name: f"<b>{name}</b>" for name in trials}), trials
    )


@pytest.fixture(scope="module")
def html() -> str:
    return rendered(TRIALS)


def test_it_escapes(html: str) -> None:
    assert "&lt;b&gt;learn&lt;/b&gt;" in html
    assert "<b>" not in html


def test_the_leaderboard_has_interval_spread_difference_and_p_value(html: str) -> None:
    rows = Page(html).rows
    interval = compare_trials(TRIALS, dict.fromkeys(TRIALS, "")).recipes[0].interval
    ndcg, between, change, p_value, recall, gini, seeds = rows["learn"][0]
    assert (ndcg, change, seeds) == ("0.3000 ± 0.1414", "+50.0 %", "2")
    assert between == span(interval)
    assert 0 < float(p_value) <= 1
    assert recall == "0.6000 ± 0.2828"
    assert gini == "0.7000 ± 0.1414"
    assert rows["popularity"][0][:3] == ["0.0000", "0.0000 to 0.0000", "−100.0 %"]
    assert rows["ease"][0][2:4] == ["reference", ""]
    assert "baseline: popularity" not in rows  # it is compared anyway
    without = Page(rendered({"ease": REFERENCE, "learn": BETTER})).rows
    assert without["baseline: popularity"] == [["0.1250", "", "", "", "0.2500", "0.5000", ""]]


def test_the_best_is_bold_where_more_is_better() -> None:
    table = leaderboard(compare_trials(TRIALS, dict.fromkeys(TRIALS, "")))
    best, *others = table.bodies[0]
    named = dict(zip(table.columns[1:], best.cells, strict=True))
    assert {name for name, cell in named.items() if cell.is_best} == {"NDCG@10", "Recall@10"}
    assert not any(cell.is_best for row in others for cell in row.cells)


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        ({"ease": REFERENCE, "learn": BETTER}, r"learn reaches 0\.3000.*: \+50\.0.% NDCG@10 over"),
        ({"learn": BETTER, "ease": REFERENCE}, r"No recipe beats this one.*The next is ease: −33"),
        ({"zero": WORST, "learn": BETTER}, r"learn reaches 0\.3000.*: – NDCG@10 over zero"),
        ({"learn": BETTER}, r"learn reaches 0\.3000 ± 0\.1414\.\s*</p>"),
    ],
)
def test_the_verdict_says_who_is_best(trials: dict[str, list[Trial]], sentence: str) -> None:
    [verdict] = re.findall(r'<p class="verdict">.*?</p>', rendered(trials), re.DOTALL)
    assert re.search(sentence, verdict, re.DOTALL)


def test_a_p_value_below_what_is_shown_is_told_as_such() -> None:
    html = rendered({"none": [trial([0.0] * 40)], "all": [trial([1.0] * 40)]})
    assert re.search(r"over none, p &lt; 0\.0001", html)
    assert Page(html).rows["all"][0][3] == "< 0.0001"


def test_slices_are_a_heat_map_with_their_numbers_and_what_they_are() -> None:
    compared = compare_trials(TRIALS, dict.fromkeys(TRIALS, ""))
    table = slice_table(compared, {"popularity: tail": "rare ones"})
    assert table.columns == ("slice", "users", "learn", "ease", "popularity")
    tail, head = table.bodies[0]
    assert (tail.name, tail.note, head.note) == ("popularity: tail", "rare ones", "")
    assert heat(tail) == [
        ("0.1500", STRONGEST, True),
        ("0.1000", round(STRONGEST * 2 / 3), False),
        ("0.0000", 0, False),
    ]
    # Where nobody finds anything nobody is best.
    assert heat(head) == [("0.0000", 0, False)] * 3
    assert [row.cells[0].text for row in (tail, head)] == ["2", "1"]


def heat(row: Row) -> list[tuple[str, int, bool]]:
    """Of the recipes' cells."""
    return [(cell.text, cell.heat, cell.is_best) for cell in row.cells[1:]]


def test_heat_reaches_the_page(html: str) -> None:
    row = re.search(r'<th scope="row" data-name="popularity: tail">.*?</tr>', html)
    assert row is not None
    assert f'class="best" style="--heat: {STRONGEST}">0.1500<' in row[0]
    assert "<small>made up</small>" in row[0]


def test_what_each_costs_is_told_and_drawn(html: str) -> None:
    page = Page(html)
    assert page.rows["learn"][-1] == ["0:20", "20.00", "2.5", "1,000"]
    assert [label.split(": ")[0] for label in page.charts[:2]] == [
        "ndcg@10 against training time",
        "ndcg@10 against size",
    ]


def curved(name: str, *values: float) -> list[Trial]:
    """One trial with a curve."""
    one = trial([0.5])
    curve = [{"epoch": float(epoch), "ndcg@10": v} for epoch, v in enumerate(values, 1)]
    record = TrainingRecord.model_validate(
        one.record.model_dump() | {"curves": {name: curve} if values else {}}
    )
    return [Trial(record, one.metrics, one.per_user)]


def test_few_curves_share_a_drawing() -> None:
    html = rendered({"a": curved("a", 0.1, 0.2, 0.4), "b": curved("b", 0.3), "c": curved("c")})
    drawn = "<svg" + html.rpartition("<svg")[2]
    assert spoken(drawn) == (
        "Validation NDCG@10 by epoch. a: 0.1000 at 1, 0.2000 at 2, 0.4000 at 3; b: 0.3000 at 1"
    )
    assert [len(line) for line in lines(drawn)] == [1, 3]


def test_many_curves_have_a_drawing_each() -> None:
    names = [f"recipe {number}" for number in range(MOST_LINES + 1)]
    charts = Page(rendered({name: curved(name, 0.1, 0.2) for name in names})).charts[2:]
    assert [label.split(": Validation")[0] for label in charts] == names
    assert len(Page(rendered({name: curved(name, 0.1) for name in names[1:]})).charts) == 2 + 1


def test_recipes_without_epochs_have_no_training() -> None:
    assert "<h2>Training</h2>" not in rendered({"a": curved("a"), "b": curved("b")})
    alone = Page(rendered({"a": curved("a", 0.1, 0.2), "b": curved("b")})).charts
    assert alone[-1].startswith("a: Validation NDCG@10 by epoch")


def test_drawn_items_are_warned_of(html: str) -> None:
    assert 'class="mind"' not in html
    one = trial([0.5])
    sampled = one.metrics.model_copy(update={"is_full_ranking": False})
    warned = rendered({"a": [Trial(one.record, sampled, one.per_user)]})
    assert SAMPLED.replace("'", "&#39;") in warned


def test_an_interval_of_equal_users_is_a_point() -> None:
    compared = compare_trials({"a": [trial([0.5, 0.5])]}, {"a": ""})
    assert compared.recipes[0].interval == Interval(low=0.5, high=0.5)
