"""The tables of a report: every number in its place, a dash where there is none."""

import math

from tests.unit.evaluation.made_up import LIVE, PRIMARY, change, metrics, part
from towerflow.evaluation.popularity_groups import Exposure
from towerflow.evaluation.resampling import Change
from towerflow.reporting.report_charts import popularity_charts, slice_charts
from towerflow.reporting.report_tables import (
    KEY_METRICS,
    MEANINGS,
    fate_table,
    full_table,
    key_table,
    slice_table,
)
from towerflow.reporting.tables import Table
from towerflow.reporting.wording import metric_name

NO_SHARE = Change(change=None, low=None, high=None, p_value=0.25)  # the champion finds nothing


def texts(table: Table) -> dict[str, list[str]]:
    """Cells by the names of rows, with ordinary spaces."""
    return {
        row.name: [cell.text.replace("\xa0", " ") for cell in row.cells]
        for body in table.bodies
        for row in body
    }


def test_models_stand_below_each_other_with_the_interval_of_this_one() -> None:
    table = key_table(metrics(change(0.2, 0.4)))
    assert table.columns == ("model", "NDCG", "Coverage")
    assert texts(table) == {
        "this model": ["0.2600", "0.5000"],
        "champion": ["0.2000", "0.5000"],
        "popularity": ["0.1000", "0.0100"],
    }
    this, champion, _ = table.bodies[0]
    assert [cell.note for cell in this.cells] == ["0.1300 to 0.5200", ""]
    assert champion.note == LIVE
    assert texts(key_table(metrics())).keys() == {"this model", "popularity"}


def test_every_column_is_explained() -> None:
    assert {metric_name(name.removesuffix("@10")) for name in KEY_METRICS} <= MEANINGS.keys()


def test_all_metrics_have_a_row_and_all_models_a_column() -> None:
    table = full_table(metrics(change(0.2, 0.4)))
    assert table.columns == ("metric", "this model", "95 % interval", "champion", "popularity")
    assert texts(table) == {
        "NDCG@10": ["0.2600", "0.1300 to 0.5200", "0.2000", "0.1000"],
        "Coverage@10": ["0.5000", "–", "0.5000", "0.0100"],
    }


def test_what_is_missing_or_no_number_is_a_dash_and_sorts_last() -> None:
    found = metrics()
    odd = found.model_copy(
        update={
            "model": {**found.model, "coverage@10": math.nan},
            "baselines": {"popularity": {PRIMARY: 0.1}},
        }
    )
    assert texts(key_table(odd)) == {"this model": ["0.2000", "–"], "popularity": ["0.1000", "–"]}
    assert key_table(odd).bodies[0][0].cells[1].value is None


def test_slices_stand_beside_the_champion() -> None:
    slices = {
        "history: cold": part(1000, change(0.2, 0.4)),
        "history: few-shot": part(50, change(-0.5, 0.1)),
        "history: long": part(50, change(-0.6, -0.4)),
        "popularity: new": part(3, NO_SHARE, base=0.0),
        "as if new: last 1": part(7, None),
    }
    table = slice_table(metrics(change(0.2, 0.4), slices=slices))
    assert table.columns[:6] == (
        "slice",
        "users",
        "NDCG@10",
        "95 % interval",
        "champion",
        "change",
    )
    assert texts(table) == {
        "history: cold": ["1,000", "0.2600", "0.1300 to 0.5200", "0.2000", "+30.0 % better"],
        "history: few-shot": ["50", "0.1600", "0.0800 to 0.3200", "0.2000", "−20.0 %"],
        "history: long": ["50", "0.1000", "0.0500 to 0.2000", "0.2000", "−50.0 % worse"],
        "popularity: new": ["3", "0.0000", "0.0000 to 0.0000", "0.0000", "–"],
        "as if new: last 1": ["7", "0.2000", "0.1000 to 0.4000", "–", "–"],
    }
    notes = [row.cells[-1].note.replace("\xa0", " ") for row in table.bodies[0]]
    assert notes[:2] == ["95 %: +20.0 to +40.0 %", "95 %: −50.0 to +10.0 %"]
    assert [row.note for row in table.bodies[0]] == ["made up"] * 5
    alone = slice_table(metrics(slices={"history: cold": part(9, None)}))
    assert "champion" not in alone.columns
    assert texts(alone) == {"history: cold": ["9", "0.2000", "0.1000 to 0.4000"]}


def test_the_data_keep_their_order() -> None:
    table = fate_table({"rows read": 1200, "kept": 7})
    assert texts(table) == {"rows read": ["1,200"], "kept": ["7"]}
    assert not table.is_sortable


def test_slices_are_drawn_group_by_group_over_one_axis() -> None:
    slices = {
        "history: cold": part(30, change(0.2, 0.4)),  # .26, up to .52
        "history: long": part(40, change(-0.6, -0.4)),
        "popularity: new": part(3, change(0.5, 1.5)),  # .4, up to .8: too few to stretch the axis
        "as if new: last 1": part(30, None),
    }
    charts = slice_charts(metrics(change(0.2, 0.4), slices=slices))
    assert [chart.title for chart in charts] == [
        "By history",
        "By popularity",
        "As if users were new",
    ]
    assert all(">0.6</text>" in chart.drawing for chart in charts)
    assert not any(">0.8</text>" in chart.drawing for chart in charts)
    assert "cold 0.2600" in charts[0].drawing
    assert slice_charts(metrics()) == []


def test_popularity_is_drawn_where_it_is_known() -> None:
    tail = Exposure(
        group="tail", description="rare", items=2, trained=0.5, taken=0.25, recommended=0.75
    )
    found = metrics().model_copy(update={"exposure": [tail]})
    (chart,) = popularity_charts(found)
    assert chart.title == "Tail: 2 items, rare"
    assert popularity_charts(metrics()) == []
