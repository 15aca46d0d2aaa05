"""What tests of the pages share: a test on made-up data, and a page taken apart."""

from html.parser import HTMLParser

import torch

from towerflow.evaluation.assessment import HeldOut
from towerflow.evaluation.protocol import task
from towerflow.interactions.dataset import Dataset
from towerflow.schema import Split

LOADING = {"src", "href", "data", "action", "xlink:href"}


def held_out(data: Dataset) -> HeldOut:
    """The test split of `data`; embeddings are unit vectors."""
    embeddings = torch.eye(data.num_items).double()
    return HeldOut.of(data, embeddings, task(data, Split.TEST))


class Page(HTMLParser):
    """Collects tags, what they would load, what charts say, and the cells of rows by heading."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.charts: list[str] = []
        self.headings: list[str] = []
        self.rows: dict[str, list[list[str]]] = {}
        self._row: list[list[str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for name, value in attrs if name in LOADING]
        if tag == "svg":
            self.charts.append(dict(attrs).get("aria-label") or "")
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(tag)
        if tag == "tr":
            self._row = []
        if tag in ("td", "th"):
            self._row.append([])

    def handle_endtag(self, tag: str) -> None:
        if tag == "tr":
            name, *cells = self._row
            texts = [" ".join(cell).replace("\xa0", " ") for cell in cells]
            self.rows.setdefault(name[0], []).append(texts)
            self._row = []

    def handle_data(self, data: str) -> None:
        if self._row and data.strip():
            self._row[-1].append(data.strip())


def needs_nothing(html: str) -> bool:
    """Whether a page would fetch nothing, and runs nothing but what its policy names."""
    page = Page(html)
    outside = [address for address in page.loaded if not address.startswith("#")]
    loads = {"link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    return not outside and not loads and "url(" not in html and "@import" not in html
