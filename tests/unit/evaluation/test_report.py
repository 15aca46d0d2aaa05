"""The report: self-contained, escaped, honest."""

import re
from html.parser import HTMLParser

import pytest

from tests.conftest import Run
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.evaluation.charts import bar_chart, line_chart
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.evaluation.protocol import CUTOFFS, evaluate_model, task
from towerflow.evaluation.report import render_report
from towerflow.interactions.dataset import Dataset
from towerflow.models.files import load_model
from towerflow.schema import Manifest, Split
from towerflow.storage.artifact import read_manifest

LOADING = {"src", "href", "data", "action", "xlink:href"}


class Page(HTMLParser):
    """Collects tags and what they would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.charts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in LOADING]
        if tag == "svg":
            self.charts.append(dict(attrs).get("aria-label") or "")


def test_it_needs_nothing_from_anywhere(shop_run: Run) -> None:
    html = shop_run.report.read_text("utf-8")
    page = Page(html)
    assert page.loaded == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in html
    assert len(html) < 3_000_000


def test_it_says_where_every_raw_row_went(shop_run: Run) -> None:
    html = shop_run.report.read_text("utf-8")
    rows = dict(re.findall(r'<th scope="row">([^<]+)</th><td>([\d,]+)</td></tr>', html))
    assert rows == {
        "items: rows read": "51",
        "items: kept": "50",
        "interactions: rows read": "283",
        "rejected: its item was rejected": "1",
        "rejected: no text": "1",
        "rejected: unparsable timestamp": "1",
        "left out: small users": "2",
        "interactions: kept": "279",
        "for train": "199",
        "for validation": "40",
        "for test": "40",
    }


def test_it_shows_every_slice_with_its_size(shop_run: Run) -> None:
    html = shop_run.report.read_text("utf-8")
    slices = EvaluationMetrics.read(shop_run.metrics).slices
    assert "everybody, as if only the last 1 were known" in slices
    for name, values in slices.items():
        cells = [f"{values['users']:.0f}"] + [f"{values[m]:.4f}" for m in ("recall@10", "ndcg@10")]
        assert f'<th scope="row">{name}</th><td>{"</td><td>".join(cells)}</td>' in html


def test_it_has_the_verdict_the_numbers_and_described_charts(shop_run: Run) -> None:
    html = shop_run.report.read_text("utf-8")
    metrics = EvaluationMetrics.read(shop_run.metrics)
    assert "This model beats the best baseline" in html
    for values in (metrics.model, *metrics.baselines.values()):
        assert all(f"<td>{value:.4f}</td>" in html for value in values.values())
    charts = Page(html).charts
    assert [re.split(": (?:from|this|last)", label)[0] for label in charts] == [
        "NDCG@10",
        "NDCG@20",
        "NDCG@50",
        "learn: validation ndcg@10 by epoch",
        "learn: training loss by epoch",
        "singular values over the largest, LLM embeddings (16)",
    ]
    assert "Where it was right" in html
    assert "✓" in html


def rendered(
    shop_run: Run, data: Dataset, model: Manifest, metrics: dict[str, float] | None = None
) -> str:
    """The report on the shop's model, with another manifest or other metrics."""
    test = task(data, Split.TEST)
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    result = evaluate_model(load_model(shop_run.model), embeddings, test, CUTOFFS)
    measured = EvaluationMetrics.read(shop_run.metrics)
    shown = measured.model_copy(update={"model": metrics or measured.model})
    return render_report(data, test, result, shown, model)


def test_every_training_has_its_charts_and_models_that_were_not_trained_have_none(
    shop_run: Run,
) -> None:
    manifest = read_manifest(shop_run.model)
    curve = [{"epoch": 1, "loss": 2.0, "ndcg@10": 0.25}, {"epoch": 2, "loss": 1.5, "ndcg@10": 0.5}]
    curves = {"1. learn": curve, "2. sasrec": curve[:1], "3. learn": []}
    for drawn, names in ((curves, ["1. learn", "2. sasrec"]), ({}, []), ({"learn": []}, [])):
        other = manifest.model_copy(update={"details": manifest.details | {"curves": drawn}})
        charts = Page(rendered(shop_run, Dataset.open(shop_run.dataset), other)).charts
        assert [label.split(": from")[0] for label in charts[len(CUTOFFS) : -1]] == [
            f"{name}: {what} by epoch"
            for name in names
            for what in ("validation ndcg@10", "training loss")
        ]
        if names:
            assert "from 0.2500, best 0.5000 at 2, last 0.5000" in charts[len(CUTOFFS)]
            assert "from 2.0000, best 1.5000 at 2, last 1.5000" in charts[len(CUTOFFS) + 1]


def test_it_says_so_when_a_baseline_is_better_and_escapes_titles(shop_run: Run) -> None:
    data = Dataset.open(shop_run.dataset)
    data.titles[:] = [f"<script>{title}</script>" for title in data.titles]
    nothing = dict.fromkeys(EvaluationMetrics.read(shop_run.metrics).model, 0.0)
    html = rendered(shop_run, data, read_manifest(shop_run.model), nothing)
    assert "does <strong>not</strong> beat the baseline" in html
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_bars_are_as_long_as_their_values() -> None:
    svg = bar_chart("x", [("a", 0.5), ("b & c", 1.0), ("d", 0.0)])
    widths = [float(width) for width in re.findall(r'width="([\d.]+)" height', svg)]
    assert widths == [pytest.approx(widths[1] / 2, abs=0.1), widths[1], 0.0]
    assert "b &amp; c" in svg


def test_a_line_marks_first_best_and_last() -> None:
    svg = line_chart("loss", [1.0, 3.0, 2.0])
    assert re.findall(r">([\d.]+)</text>", svg) == ["1.0000", "3.0000", "2.0000"]
    assert "best 3.0000 at 2" in svg
    assert line_chart("one", [0.5]).count("<circle") == 1
