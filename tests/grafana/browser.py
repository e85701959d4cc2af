"""A dashboard opened in a headless browser: what its panels asked, what came back, what can be seen."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, Request, Response, sync_playwright
from playwright.sync_api import TimeoutError as LateError

from tests.grafana.api import Api
from tests.grafana.boards import Board
from tests.grafana.far_ends import MissingError

WIDTH = 1500
MARGIN = 16
PATIENCE = 60_000
"""Milliseconds until every panel must have its answer."""

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
"""Chromium sends requests to Grafana alone; root, as in a container, has no sandbox."""

UNFOLD = "document.querySelectorAll('button[aria-label=\"Expand row\"]').forEach(button => button.click())"

SETTLED = """wanted => document.querySelectorAll('[data-viz-panel-key^="panel-"] section').length >= wanted
  && !document.querySelector('[data-testid="data-testid Panel loading bar"]')
  && !document.querySelector('[data-viz-panel-key] [aria-label="Panel loading bar"]')"""

LOOK = """() => [...document.querySelectorAll('[data-viz-panel-key^="panel-"]')].map(box => ({
  key: box.dataset.vizPanelKey,
  text: box.innerText,
  error: box.querySelector('[data-testid="data-testid Panel status error"]') !== null,
  rows: box.querySelectorAll('[role="row"]').length,
}))"""

BOTTOM = """() => Math.max(...[...document.querySelectorAll('[data-viz-panel-key^="panel-"]')]
  .map(box => box.getBoundingClientRect().bottom))"""


@dataclass(frozen=True)
class Seen:
    """One panel on the page."""

    key: str
    text: str
    error: bool
    rows: int

    @property
    def number(self) -> int:
        """The panel's id; of a repeated panel that of the original."""
        return int(self.key.split("-")[1])


@dataclass(frozen=True)
class Answer:
    """What came back for one query of a panel."""

    panel: int
    reference: str
    status: int
    rows: int
    error: str


@dataclass
class Visit:
    """A dashboard after everything has arrived."""

    board: Board
    panels: list[Seen] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Errors that the page wrote to the browser's console."""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The installed Chromium, without a window."""
    names = os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"
    program = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if program is None:
        raise MissingError("Chromium is not installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield browser
        browser.close()


def visit(browser: Browser, api: Api, board: Board, picture: Path | None = None) -> Visit:
    """Open ``board`` for the first time, all of it in the window, and wait for every panel."""
    found = Visit(board)
    window = {"width": WIDTH, "height": board.height}
    page = browser.new_page(viewport=window, extra_http_headers=api.headers)
    queries: list[Request] = []
    # A query that the page takes back, because a variable was just filled, does not finish.
    page.on("requestfinished", lambda request: queries.append(request) if _is_query(request) else None)
    page.on("console", lambda line: found.complaints.append(line.text) if line.type == "error" else None)
    page.goto(f"{api.url}/d/{board.uid}?kiosk")
    _settle(page, board)
    found.panels = [
        Seen(item["key"], item["text"], item["error"], item["rows"]) for item in page.evaluate(LOOK)
    ]
    found.answers = [answer for query in queries for answer in _answers(query.response())]
    if picture is not None:
        bottom = page.evaluate(BOTTOM) + MARGIN
        shot = page.screenshot(clip={"x": 0, "y": 0, "width": WIDTH, "height": bottom})
        _shrink(shot).save(picture, optimize=True)
    page.close()
    return found


def _shrink(shot: bytes) -> Image.Image:
    """The picture with a palette, a third of the size: rare colours are kept, and common ones exact."""
    whole = Image.open(io.BytesIO(shot)).convert("RGB")
    return whole.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)


def _settle(page: Page, board: Board) -> None:
    page.wait_for_selector("[data-viz-panel-key]", timeout=PATIENCE)
    page.evaluate(UNFOLD)
    with contextlib.suppress(LateError):  # what is missing is reported panel by panel
        page.wait_for_function(SETTLED, arg=len(board.panels), timeout=PATIENCE)
    page.wait_for_load_state("networkidle", timeout=PATIENCE)


def _is_query(request: Request) -> bool:
    return "/api/ds/query" in request.url


def _answers(response: Response) -> Iterator[Answer]:
    panel = int(response.request.headers.get("x-panel-id", "0"))
    try:
        results = response.json()["results"]
    except (KeyError, json.JSONDecodeError):
        yield Answer(panel, "", response.status, 0, response.text())
        return
    for reference, result in results.items():
        frames = result.get("frames", [])
        rows = sum(len(frame["data"]["values"][0]) for frame in frames if frame["data"]["values"])
        yield Answer(panel, reference, response.status, rows, result.get("error", ""))
