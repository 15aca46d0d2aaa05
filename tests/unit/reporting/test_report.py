"""The report as a whole: every part is there, escaped, and works with next to nothing."""

import math
import re

import pytest

from tests.conftest import Run
from tests.unit.evaluation.held_out import Page, held_out, needs_nothing
from tests.unit.evaluation.made_up import SOUND, change, metrics, part
from tests.unit.evaluation.small_data import TEST, TRAIN, Told, dataset
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.evaluation.assessment import Judged, judge
from towerflow.evaluation.metrics_file import EvaluationMetrics
from towerflow.interactions.dataset import Dataset
from towerflow.models.files import load_model
from towerflow.reporting.report import render_report
from towerflow.reporting.verdict import SAMPLED
from towerflow.schema import ArtifactKind, Manifest
from towerflow.storage.artifact import read_manifest


@pytest.fixture(scope="module")
def html(shop_run: Run) -> str:
    return shop_run.report.read_text("utf-8")


@pytest.fixture(scope="module")
def judged(shop_run: Run) -> Judged:
    """The shop's model on the shop."""
    test = held_out(Dataset.open(shop_run.dataset))
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    return judge(load_model(shop_run.model), embeddings, test)


def manifest(curves: object) -> Manifest:
    """That of a model."""
    return Manifest(
        schema_version=1,
        kind=ArtifactKind.RETRIEVAL_MODEL,
        step="test",
        towerflow="test",
        counts={},
        details={"recipe": "<i>own</i>", "curves": curves},
        inputs={},
        files={},
        content_hash="m" * 64,
        manifest_hash="",
    )


def test_it_says_where_every_raw_row_went(html: str) -> None:
    rows = Page(html).rows
    names = list(rows)
    fates = {name: rows[name][0] for name in names[names.index("items: rows read") :]}
    assert fates == {
        "items: rows read": ["51"],
        "items: kept": ["50"],
        "interactions: rows read": ["283"],
        "rejected: its item was rejected": ["1"],
        "rejected: no text": ["1"],
        "rejected: unparsable timestamp": ["1"],
        "left out: small users": ["2"],
        "interactions: kept": ["279"],
        "for train": ["199"],
        "for validation": ["40"],
        "for test": ["40"],
    }


def test_it_shows_every_metric_of_every_model_and_every_slice(shop_run: Run, html: str) -> None:
    measured, rows = EvaluationMetrics.read(shop_run.metrics), Page(html).rows
    for name in measured.model:
        assert f"{measured.model[name]:.{2 if 'novelty' in name else 4}f}" in html
    for values in measured.baselines.values():
        assert all(f"{value:.4f}" in html for name, value in values.items() if "nov" not in name)
    assert "as if new: last 1" in measured.slices
    for name, slice_ in measured.slices.items():
        (cells,) = rows[name]
        assert cells[:2] == [f"{slice_.users}", f"{slice_.metrics['ndcg@10']:.4f}"]


def test_the_parts_come_in_order(html: str) -> None:
    found = re.findall(r"<h2>([^<]+)</h2>", html)
    assert found == [
        "Metrics",
        "Where it is good, and where it is not",
        "Who is recommended",
        "Training",
        "Do the dimensions carry something?",
        "Where it was right",
        "Where it was wrong",
        "Where the data went",
        "How it was measured",
    ]
    assert html.index("Against the best baseline") < html.index("<h2>Metrics</h2>")
    assert "times as good" in html or "better by" in html


def test_charts_say_what_they_show(html: str) -> None:
    charts = Page(html).charts
    assert [re.split(r"[.:,] ", label)[0] for label in charts] == [
        "NDCG@K by K",
        "Recall@K by K",
        *["NDCG@10"] * 5,  # history, popularity, text, pause, as if new
        "Shares of tail items",
        "Shares of torso items",
        "Shares of head items",
        "learn",
        "learn",
        "singular values over the largest",
    ]


def test_it_says_how_it_was_measured(shop_run: Run, html: str) -> None:
    measured = EvaluationMetrics.read(shop_run.metrics)
    assert f"<code>{measured.dataset}</code>" in html
    assert measured.protocol in html
    assert "gate" not in html  # a later step decides


def test_hits_are_marked_without_colour(html: str) -> None:
    right = html[html.index("Where it was right") : html.index("Where it was wrong")]
    assert re.search(r'<li class="found">[^<]+ ✓ <span>taken next</span>', right)
    assert "found at rank" in right
    assert right.count('class="example"') == 3


def test_what_to_mind_stands_below_the_verdict(shop_run: Run, judged: Judged) -> None:
    test = held_out(Dataset.open(shop_run.dataset))
    broken = SOUND.model_copy(update={"broken_items": 2})
    found = metrics(change(0.1, 0.2), full_ranking=False, health=broken, not_comparable="it is old")
    html = render_report(test, judged, found, manifest({}))
    minded = re.findall(r'class="mind"><strong>Mind:</strong> ([^<]+)</p>', html)
    assert len(minded) == 3
    assert minded[0] == SAMPLED.replace("'", "&#39;")
    assert html.index('class="cards"') < html.index('class="mind"') < html.index("<h2>")


def test_every_training_has_its_charts_and_models_that_were_not_trained_have_none(
    shop_run: Run, judged: Judged
) -> None:
    test = held_out(Dataset.open(shop_run.dataset))
    curve = [{"epoch": 1, "loss": 2.0, "ndcg@10": 0.25}, {"epoch": 2, "loss": 1.5, "ndcg@10": 0.5}]
    both = {"1. learn": curve, "2. sasrec": curve[:1], "3. learn": []}
    for drawn, names in ((both, ["1. learn", "2. sasrec"]), ({}, []), ({"learn": []}, [])):
        html = render_report(test, judged, metrics(), manifest(drawn))
        charts = [label for label in Page(html).charts if "epoch" in label]
        assert [label.split(": from")[0] for label in charts] == [
            f"{name}: {what} by epoch"
            for name in names
            for what in ("validation ndcg@10", "training loss")
        ]
        if names:
            assert "from 0.2500, best 0.5000 at 2, last 0.5000" in charts[0]
            assert "from 2.0000, best 1.5000 at 2, last 1.5000" in charts[1]
        assert ("<h2>Training</h2>" in html) == bool(names)


def test_what_the_data_say_stays_text(shop_run: Run, judged: Judged) -> None:
    data = Dataset.open(shop_run.dataset)
    data.titles[:] = [f'<script>"{title}"</script>' * 9 for title in data.titles]
    data.user_ids[:] = [f"<b>{user}</b>" for user in data.user_ids]
    odd = '"><script>alert(1)</script>: <img src=x>'
    html = render_report(
        held_out(data), judged, metrics(slices={odd: part(50, None)}), manifest({})
    )
    page = Page(html)
    assert page.tags.count("script") == 1
    assert not {"i", "img"} & set(page.tags)
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert needs_nothing(html)


def test_a_shop_with_hardly_anything_has_a_report(shop_run: Run) -> None:
    data = dataset([(0, 0, TRAIN), (0, 1, TEST)], 2)
    counts = read_manifest(shop_run.dataset).counts
    details = data.manifest.details | {"rejected": {}}
    bare = data.manifest.model_copy(update={"counts": counts, "details": details})
    test = held_out(Dataset(**{**data.__dict__, "manifest": bare}))
    nothing = metrics().model_copy(update={"baselines": {}, "changes": {}, "intervals": {}})
    odd = nothing.model_copy(update={"model": {**nothing.model, "coverage@10": math.nan}})
    judged = judge(Told([[0.0, 1.0]]), test.embeddings, test)
    html = render_report(
        test, judged, odd, manifest({"learn": [{"loss": math.nan, "ndcg@10": math.nan}]})
    )
    assert not re.search(r"\bnan\b", html, re.IGNORECASE)
    assert "<h2>Where it was right</h2>" in html
    assert "<h2>Where it was wrong</h2>" not in html
    assert "<h2>Who is recommended</h2>" not in html
    assert "Only 1 user" not in html  # the made-up figures say 1,000
