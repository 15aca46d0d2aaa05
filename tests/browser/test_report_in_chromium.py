"""The pages in a real browser: nothing is fetched, all is drawn, sorts, and can be read."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.conftest import SMALL_RECIPE, Run
from tests.unit.evaluation.held_out import held_out
from tests.unit.evaluation.made_up import metrics, part
from towerflow.embedding.item_embeddings import ItemEmbeddings
from towerflow.evaluation.assessment import judge
from towerflow.interactions.dataset import Dataset
from towerflow.models.files import load_model
from towerflow.reporting.report import render_report
from towerflow.steps.compare import compare
from towerflow.steps.evaluate import evaluate
from towerflow.steps.train import train
from towerflow.storage.artifact import read_manifest

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, there is none here")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = ("alone", "champion", "comparison")
PHONE, DESK = 360, 1280  # pixels
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3

# Every element with text of its own: its text, and the contrast with what is behind it.
CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = rgba(colour).slice(0, 3).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim()).join("");
    const box = element.getBoundingClientRect();
    if (!text || !box.width || !box.height || element.tagName === "SCRIPT") continue;
    const style = getComputedStyle(element);
    const front = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [luminance(front), luminance(behind(element))].sort((x, y) => y - x);
    found.push({ text, contrast: (a + 0.05) / (b + 0.05), front: luminance(front),
      behind: luminance(behind(element)) });
  }
  return found;
}"""


@dataclass
class Opened:
    """A page with what it asked for and complained of."""

    page: Page
    requests: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def files(shop_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages by name, over the shop."""
    root = tmp_path_factory.mktemp("pages")
    on = (shop_run.dataset, shop_run.item_embeddings)
    alone, champion, comparison = (root / f"{name}.html" for name in PAGES)
    shutil.copyfile(shop_run.report, alone)
    live = str(shop_run.release_root)
    evaluate(*on, shop_run.model, root / "metrics", champion, release_root=live)
    recipes = [SMALL_RECIPE, "item-knn"]
    measured = []
    for number, recipe in enumerate(recipes):
        train(*on, recipe, 0, "", "", root / f"model-{number}")
        measured.append(root / f"metrics-{number}")
        evaluate(*on, root / f"model-{number}", measured[-1], root / "unread")
    compare(measured, recipes, root / "comparison", comparison)
    return dict(zip(PAGES, (alone, champion, comparison), strict=True))


@pytest.fixture(params=PAGES)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def opened(browser: Browser, file: Path, width: int = DESK, **settings: Any) -> Opened:
    """The page at `file`, in a window of its own."""
    context = browser.new_context(viewport={"width": width, "height": 800}, **settings)
    found = Opened(context.new_page())
    found.page.on("request", lambda request: found.requests.append(request.url))
    found.page.on("pageerror", lambda error: found.problems.append(str(error)))
    found.page.on("console", lambda message: found.problems.append(message.text))
    found.page.goto(file.as_uri())
    return found


def test_nothing_is_fetched_and_nothing_goes_wrong(
    browser: Browser, files: dict[str, Path], name: str
) -> None:
    shown = opened(browser, files[name])
    shown.page.locator("summary").first.click()
    shown.page.locator("th button").first.click()
    assert shown.requests == [files[name].as_uri()]
    assert shown.problems == []


EXPECTED = {
    "alone": {
        "NDCG@K": 1,
        "Recall@K": 1,
        "NDCG@10": 5,
        "Shares of": 3,
        "learn: ": 2,
        "singular": 1,
    },
    "comparison": {"ndcg@10 against": 2, "own: Validation": 1},
}
EXPECTED["champion"] = EXPECTED["alone"]


def test_all_charts_are_drawn_and_have_a_name(
    browser: Browser, files: dict[str, Path], name: str
) -> None:
    page = opened(browser, files[name]).page
    for start, number in EXPECTED[name].items():
        charts = page.locator(f'svg[role="img"][aria-label^="{start}"]')
        assert charts.count() == number, start
        for chart in charts.all():
            box = chart.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) > 40
    assert page.locator("svg").count() == sum(EXPECTED[name].values())
    if name == "champion":
        assert page.locator('svg[aria-label*="champion"]').count() >= 2 + 3
        assert page.locator(".cards").get_by_text("Against the champion").is_visible()


def cells(table: Locator, column: int) -> list[str]:
    """The main texts of a column, from the top down."""
    rows = table.locator("tbody").first.locator("tr").all()
    return [row.locator("th, td").nth(column).inner_text().split("\n")[0] for row in rows]


def numbers(table: Locator, column: int) -> list[float]:
    return [float(text) for text in cells(table, column)]


def test_a_table_sorts_by_click_both_ways(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["champion"]).page
    table = page.locator("table.sortable").first
    before = numbers(table, 2)
    head = table.locator("thead th").nth(2)
    assert head.get_attribute("aria-sort") is None
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert numbers(table, 2) == sorted(before, reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert numbers(table, 2) == sorted(before)
    other = table.locator("thead th").nth(1)
    other.get_by_role("button").click()
    assert head.get_attribute("aria-sort") is None
    assert other.get_attribute("aria-sort") == "descending"


def test_a_table_sorts_by_keyboard_both_ways(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["comparison"]).page
    table = page.locator("table.sortable").first
    names = cells(table, 0)
    head = table.locator("thead th").first
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert cells(table, 0) == sorted(names)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert cells(table, 0) == sorted(names, reverse=True)
    # The next heading is the next thing that the keyboard reaches.
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert table.locator("thead th").nth(1).get_attribute("aria-sort") == "descending"


def test_what_has_no_number_stays_at_the_end(browser: Browser, files: dict[str, Path]) -> None:
    page = opened(browser, files["champion"]).page
    table = page.get_by_role("region", name="slices").locator("table")
    heads = table.locator("thead th").all_inner_texts()
    column = next(place for place, head in enumerate(heads) if head.startswith("champion"))
    # By name, those without a number come first: nobody asked the champion about strangers.
    table.locator("thead th").first.get_by_role("button").click()
    assert cells(table, column)[:3] == ["–"] * 3
    for _ in range(2):
        table.locator("thead th").nth(column).get_by_role("button").click()
        assert cells(table, column)[-3:] == ["–"] * 3


def test_without_scripts_the_tables_are_as_they_were_written(
    browser: Browser, files: dict[str, Path], name: str
) -> None:
    page = opened(browser, files[name], java_script_enabled=False).page
    assert page.locator("button").count() == 0
    assert page.locator("tbody tr").count() > 10


@pytest.mark.parametrize("width", [PHONE, 768])
def test_a_narrow_page_is_not_scrolled_sideways(
    browser: Browser, files: dict[str, Path], name: str, width: int
) -> None:
    page = opened(browser, files[name], width).page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    regions = page.locator(".scroll").all()
    assert all(region.get_attribute("tabindex") == "0" for region in regions)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(
    browser: Browser, files: dict[str, Path], name: str, scheme: str
) -> None:
    page = opened(browser, files[name], color_scheme=scheme).page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    found = page.evaluate(CONTRASTS)
    assert len(found) > 100
    assert [one for one in found if one["contrast"] < LEAST_CONTRAST] == []
    # What is behind is really dark, or really light.
    is_dark = scheme == "dark"
    assert all((one["behind"] < one["front"]) == is_dark for one in found)
    behind = [one["behind"] for one in found]
    assert max(behind) < 0.2 if is_dark else min(behind) > 0.3


def test_headings_go_down_one_level_at_a_time(
    browser: Browser, files: dict[str, Path], name: str
) -> None:
    page = opened(browser, files[name]).page
    headings = page.locator("h1, h2, h3, h4, h5, h6")
    levels = headings.evaluate_all("(found) => found.map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_the_first_tab_leads_to_the_content_and_focus_can_be_seen(
    browser: Browser, files: dict[str, Path], name: str
) -> None:
    page = opened(browser, files[name]).page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert skip.evaluate("(one) => getComputedStyle(one).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("Tab")
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


def test_what_the_data_say_does_not_run(browser: Browser, shop_run: Run, tmp_path: Path) -> None:
    data = Dataset.open(shop_run.dataset)
    data.titles[:] = ["<script>document.title = 'run'</script>"] * data.num_items
    data.user_ids[:] = ['"><img src=x onerror="document.title = 1">'] * data.num_users
    test = held_out(data)
    embeddings = ItemEmbeddings.open(shop_run.item_embeddings).embeddings
    judged = judge(load_model(shop_run.model), embeddings, test)
    odd = '</title></svg><script>document.title = "run"</script>: "><b onclick=alert(1)>'
    file = tmp_path / "odd.html"
    made_up = metrics(slices={odd: part(50, None)})
    file.write_text(render_report(test, judged, made_up, read_manifest(shop_run.model)), "utf-8")
    shown = opened(browser, file)
    assert shown.page.title() == "Towerflow: own"
    assert shown.page.locator("script").count() == 1
    assert shown.page.locator("img").count() == 0
    assert (shown.requests, shown.problems) == ([file.as_uri()], [])
    # Were something of it a script after all, the policy would not let it run.
    shown.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), "
        "{ textContent: 'document.title = 1' }))"
    )
    assert shown.page.title() == "Towerflow: own"
    assert any("Content Security Policy" in problem for problem in shown.problems)
