"""The report of a comparison: self-contained, honest about chance, readable without colours."""

import re

import pytest

from tests.unit.evaluation.test_comparison import BETTER, REFERENCE, WORST
from tests.unit.evaluation.test_report import Page
from tests.unit.evaluation.trials import trial
from towerflow.evaluation.comparison import Trial, compare_trials
from towerflow.evaluation.comparison_report import STRONGEST, render_comparison

TRIALS = {"ease": REFERENCE, "popularity": WORST, "learn": BETTER}


def rendered(trials: dict[str, list[Trial]]) -> str:
    """The page on them."""
    return render_comparison(
        compare_trials(trials, {name: f"<b>{name}</b>" for name in trials}), trials
    )


@pytest.fixture(scope="module")
def html() -> str:
    return rendered(TRIALS)


def cells(html: str, name: str) -> list[list[str]]:
    """The text of the rows with that heading, table by table."""
    rows = re.findall(rf'<th scope="row">{re.escape(name)}</th>(.*?)</tr>', html)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]


def test_it_needs_nothing_from_anywhere_and_escapes(html: str) -> None:
    page = Page(html)
    assert page.loaded == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in html
    assert "&lt;b&gt;learn&lt;/b&gt;" in html
    assert "<b>" not in html


def test_the_leaderboard_has_spread_difference_and_p_value(html: str) -> None:
    learn, popularity, ease = (cells(html, name)[0] for name in ("learn", "popularity", "ease"))
    seeds, change, p_value, recall, ndcg = learn
    assert (seeds, change, ndcg) == ("2", "+50.0 %", "0.3000<small> ± 0.1414</small>")
    assert 0 < float(p_value) <= 1
    assert recall == "0.6000<small> ± 0.2828</small>"
    assert popularity[1] == "-100.0 %"
    assert popularity[-1] == "0.0000"
    assert ease[1:3] == ["reference", ""]
    assert cells(html, "baseline: popularity") == []  # it is compared anyway
    without = rendered({"ease": REFERENCE, "learn": BETTER})
    assert cells(without, "baseline: popularity") == [["", "", "", "0.2500", "0.1250"]]


def test_the_best_of_a_column_is_bold(html: str) -> None:
    best = re.findall(r'<td class="best">(.*?)</td>', html)
    assert best == ["0.6000<small> ± 0.2828</small>", "0.3000<small> ± 0.1414</small>"]


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        ({"ease": REFERENCE, "learn": BETTER}, r"learn reaches 0\.3000.*: \+50\.0 % NDCG@10 over"),
        ({"learn": BETTER, "ease": REFERENCE}, r"No recipe beats this one.*The next is ease: -33"),
        ({"zero": WORST, "learn": BETTER}, r"learn reaches 0\.3000.*: – NDCG@10 over zero"),
        ({"learn": BETTER}, r"learn reaches 0\.3000<small> ± 0\.1414</small>\.\s*</p>"),
    ],
)
def test_the_verdict_says_who_is_best(trials: dict[str, list[Trial]], sentence: str) -> None:
    [verdict] = re.findall(r'<p class="verdict">.*?</p>', rendered(trials), re.DOTALL)
    assert re.search(sentence, verdict, re.DOTALL)


def test_a_p_value_below_what_is_shown_is_told_as_such() -> None:
    html = rendered({"none": [trial([0.0] * 40)], "all": [trial([1.0] * 40)]})
    assert re.search(r"over none, p\s+&lt; 0\.0001", html)
    assert cells(html, "all")[0][2] == "&lt; 0.0001"


def test_slices_are_a_heat_map_with_its_numbers(html: str) -> None:
    row = re.search(r'<th scope="row">rare items</th>.*?</tr>', html)
    assert row is not None
    assert re.findall(r'--heat: (\d+)"( class="best")?>([\d.]+)<', row[0]) == [
        (str(STRONGEST), ' class="best"', "0.1500"),
        (str(round(STRONGEST * 2 / 3)), "", "0.1000"),
        ("0", "", "0.0000"),
    ]
    assert cells(html, "others") == [["1", "0.0000", "0.0000", "0.0000"]]
    nothing = re.search(r'<th scope="row">others</th>.*?</tr>', html)
    assert nothing is not None
    assert "best" not in nothing[0]  # where nobody finds anything nobody is best


def test_what_each_costs_is_told_and_drawn(html: str) -> None:
    assert cells(html, "learn")[1] == ["0:20", "20.00", "2.5", "1,000"]
    labels = [label.split(": ")[0] for label in Page(html).charts]
    assert labels[:2] == ["ndcg@10 against training time", "ndcg@10 against size"]
    assert "learn, learn" in labels[2]
    assert len(labels) == 2 + len(TRIALS)
