"""Numbers as people read them; nothing that is no number is ever shown."""

import math

import pytest

from towerflow.evaluation.resampling import Change, Interval
from towerflow.reporting.wording import (
    change_in_words,
    figure,
    metric_name,
    percent,
    signed,
    signed_span,
    span,
)


def changed(
    change: float | None, low: float | None, high: float | None, p_value: float = 0.01
) -> Change:
    return Change(change=change, low=low, high=high, p_value=p_value)


def plain(text: str) -> str:
    """With ordinary spaces, which are easier to write."""
    return text.replace("\xa0", " ")


@pytest.mark.parametrize(
    ("change", "words", "interval"),
    [
        (changed(0.27, 0.19, 0.35), "better by 27 %", "95 %: 19 to 35 %"),
        (changed(0.165, 0.022, 0.338), "better by 16.5 %", "95 %: 2.2 to 33.8 %"),
        (changed(-0.12, -0.19, -0.05), "worse by 12.0 %", "95 %: 5.0 to 19.0 %"),
        (changed(-0.5, -0.6, -0.4), "worse by 50 %", "95 %: 40 to 60 %"),
        (
            changed(0.012, -0.005, 0.029, 0.4),
            "no difference is shown",
            "+1.2 %, 95 %: −0.5 to +2.9 %, p = 0.4000",
        ),
        (
            changed(0.2, 0.1, 0.3, 0.0625),
            "no difference is shown",
            "+20.0 %, 95 %: +10.0 to +30.0 %, p = 0.0625",
        ),
        (
            changed(0.0, 0.0, 0.0, 1.0),
            "no difference is shown",
            "0.0 %, 95 %: 0.0 to 0.0 %, p = 1.0000",
        ),
        (changed(2.4, 1.9, 3.0), "3.4 times as good", "95 %: 2.9 to 4.0"),
        (changed(None, None, None), "not to be compared: the other one finds nothing", ""),
    ],
)
def test_a_change_says_better_worse_or_that_nothing_is_shown(
    change: Change, words: str, interval: str
) -> None:
    assert tuple(map(plain, change_in_words(change))) == (words, interval)


def test_what_is_no_number_is_a_dash() -> None:
    assert [figure(value) for value in (None, math.nan, math.inf, 0.12345)] == [*"–––", "0.1235"]
    assert [plain(signed(value)) for value in (None, math.nan, -0.5)] == ["–", "–", "−50.0 %"]
    assert signed_span(changed(None, None, None)) == ""


def test_bits_need_no_more_than_two_decimals() -> None:
    assert figure(10.123, "novelty@10") == "10.12"
    assert span(Interval(low=1.0, high=2.5), "novelty@10") == "1.00 to 2.50"
    assert span(Interval(low=0.1, high=0.25)) == "0.1000 to 0.2500"


def test_what_is_zero_as_shown_has_no_sign() -> None:
    assert [plain(signed(value)) for value in (0.0, -0.0001, 0.0001, 0.001)] == [
        "0.0 %",
        "0.0 %",
        "0.0 %",
        "+0.1 %",
    ]
    assert plain(percent(0.125)) == "12.5 %"


def test_metrics_are_written_as_people_do() -> None:
    names = ("ndcg@10", "hit_rate@5", "intra_list_diversity@10", "ndcg", "other@1")
    assert [metric_name(name) for name in names] == [
        "NDCG@10",
        "Hit rate@5",
        "Diversity@10",
        "NDCG",
        "other@1",
    ]
