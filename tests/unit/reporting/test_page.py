"""What both pages have: a policy that lets nothing be loaded, and one script."""

import base64
import hashlib
import re
from html import unescape
from itertools import pairwise

import pytest

from tests.conftest import Run
from tests.unit.evaluation.held_out import Page, needs_nothing
from tests.unit.evaluation.test_comparison import TRIALS
from towerflow.evaluation.comparison import compare_trials
from towerflow.reporting.comparison_report import render_comparison


@pytest.fixture(params=["report", "comparison"])
def html(request: pytest.FixtureRequest, shop_run: Run) -> str:
    if request.param == "report":
        return shop_run.report.read_text("utf-8")
    return render_comparison(compare_trials(TRIALS, dict.fromkeys(TRIALS, "")), TRIALS)


def test_it_needs_nothing_from_anywhere(html: str) -> None:
    assert needs_nothing(html)
    assert len(html) < 3_000_000


def test_its_policy_allows_no_script_but_its_own(html: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    rules = dict(rule.split(" ", 1) for rule in unescape(policy).split("; "))
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "script-src": f"'sha256-{digest}'",
    }
    assert not re.search(r"\son\w+=", html)  # handlers in attributes would not run


def test_headings_go_down_one_level_at_a_time(html: str) -> None:
    levels = [int(tag[1]) for tag in Page(html).headings]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_every_chart_says_what_it_shows_and_no_number_is_none(html: str) -> None:
    page = Page(html)
    assert page.charts
    assert all(page.charts)
    assert not {"nan", "inf", "None"} & {word for row in page.rows.values() for word in row[0]}
    assert not re.search(r"\bnan\b", html, re.IGNORECASE)
