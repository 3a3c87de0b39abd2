"""Tests of the report in a real browser: it draws, it reacts, it is silent, it asks for nothing.

All that is asked of the page holds for whatever figures a report has: they are found in the page.
"""

import shutil
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    BrowserContext,
    Error,
    Locator,
    Page,
    Request,
    Route,
    expect,
    sync_playwright,
)

from rm.main import main
from traces.numeric_threads import ONE_NUMERIC_THREAD

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
)
WINDOW = {"width": 1280, "height": 900}
NARROW = {"width": 600, "height": 900}
LONGEST_WAIT_MS = 30_000
SETTLE_MS = 500
"""Figures follow a change of size some time after it."""

LEAST_SIDE_PX = 100
FEWEST_COLOURS = 10

pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason="no Chromium is installed, the report was opened in no browser "
    "(Debian: apt-get install chromium)",
)

DRAWN = """
place => ({
  asked: JSON.parse(document.getElementById(place.id + "-data").textContent).data.length,
  traces: (place.data || []).length,
  shown: (place.data || []).filter(trace => trace.visible !== false).length,
  sizes: [...place.querySelectorAll("svg.main-svg, canvas")].map(drawing => {
    const box = drawing.getBoundingClientRect();
    return [box.width, box.height];
  }),
  marks: [...place.querySelectorAll(".cartesianlayer .trace path, .cartesianlayer .trace use")]
    .map(mark => mark.getBoundingClientRect())
    .filter(box => box.width > 0 || box.height > 0).length,
})
"""
"""What became of one figure: its traces, the sizes of its drawings, and how many marks can be seen
inside its axes."""

COLOURS = """
async png => {
  const bytes = Uint8Array.from(atob(png), letter => letter.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], {type: "image/png"}));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const pixels = new Uint32Array(
    context.getImageData(0, 0, picture.width, picture.height).data.buffer);
  return new Set(pixels).size;
}
"""
"""How many colours a picture has."""

WIDTH_OF_TEXT = "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@dataclass
class Opened:
    """A page in a browser without a network, and all that it was heard to say or ask for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def figures(self) -> Iterator[Locator]:
        """The places of its figures, each brought to light before it is given out."""
        for plot in self.page.locator("div.plot").all():
            figure = plot.locator("xpath=ancestor::figure")
            for tab in figure.locator(".tabs button").all():
                if not plot.is_visible():
                    tab.click()
            expect(plot.locator("svg.main-svg").first).to_be_visible()
            self.page.wait_for_timeout(SETTLE_MS)
            yield plot


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small comparison: three policies, two cooling setups, two seeds."""
    out = tmp_path_factory.mktemp("evaluation")
    policies = ["--policies", "gts-ondemand,gts-powersave,oracle"]
    small = ["--seeds", "2", "--duration-s", "40", "--interarrival-s", "8", "--jobs", "1"]
    cooling = ["--cooling", "fan", "--cooling", "passive"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ONE_NUMERIC_THREAD.items():
            patch.setenv(name, value)  # as the command does, but undone afterwards
        assert 0 == main(["evaluate", "--out", str(out), *policies, *cooling, *small, "--json"])
    return out / "report.html"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A browser with a fresh profile, cut off from every network."""
    profile = tmp_path_factory.mktemp("profile")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=BROWSER,
            headless=True,
            args=list(OPTIONS),
            offline=True,
            viewport=WINDOW,
        )
        opened.set_default_timeout(LONGEST_WAIT_MS)
        opened.route("**/*", _files_only)
        yield opened
        opened.close()


def _files_only(route: Route) -> None:
    if route.request.url.startswith("file:"):
        route.continue_()
    else:
        route.abort()


@pytest.fixture(scope="module")
def opened(context: BrowserContext, report: Path) -> Opened:
    """The report after it has drawn."""
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
    found.page.on("request", lambda request: _note(found, request))
    found.page.goto(report.as_uri())
    expect(found.page.locator("svg.main-svg").first).to_be_visible()
    found.page.wait_for_timeout(SETTLE_MS)
    return found


def _note(opened: Opened, request: Request) -> None:
    opened.asked.append(request.url)


def test_the_page_says_nothing_to_the_console(opened: Opened) -> None:
    """No error, no warning: whatever a browser reports is something that a reader does not see."""
    assert [] == opened.said


def test_the_page_asks_for_nothing_but_itself(opened: Opened, report: Path) -> None:
    """It must work offline, and tell nobody that it was opened. Data inside it are no request."""
    elsewhere = [url for url in opened.asked if not url.startswith(("data:", "blob:"))]
    assert [report.as_uri()] == elsewhere


def test_every_figure_is_drawn(opened: Opened) -> None:
    """All data that lie in the page come to a drawing of some size, with marks in it."""
    drawn = {figure.get_attribute("id"): figure.evaluate(DRAWN) for figure in opened.figures()}
    assert opened.page.locator("script[type='application/json']").count() == len(drawn)
    assert len(drawn) >= 4
    for name, found in drawn.items():
        assert 0 < found["asked"] == found["traces"], name
        assert found["shown"] > 0, name
        assert found["sizes"], name
        assert all(min(size) > LEAST_SIDE_PX for size in found["sizes"]), name
        assert found["marks"] > 0, name


def test_every_figure_shows_ink(opened: Opened) -> None:
    """A picture of a figure is no even surface: a drawing may be there and yet be empty."""
    for figure in opened.figures():
        picture = b64encode(figure.screenshot()).decode()
        colours = opened.page.evaluate(COLOURS, picture)
        assert colours > FEWEST_COLOURS, figure.get_attribute("id")


def test_a_figures_choices_react_to_a_click(opened: Opened) -> None:
    """The button is pressed, the others are not, and the drawing is another one."""
    tried = 0
    for figure in opened.figures():
        choice = opened.page.locator(f".choice[data-plot='{figure.get_attribute('id')}']")
        for button in choice.locator("button[aria-pressed=false]").all()[:1]:
            value, before = button.get_attribute("value"), figure.screenshot()
            choice.locator(f"button[value='{value}']").click()
            pressed = choice.locator("button[aria-pressed=true]").all()
            assert [value] == [other.get_attribute("value") for other in pressed]
            own = figure.evaluate("p => p.data.filter(t => t.meta && t.visible).map(t => t.meta)")
            assert {value} == set(own)
            assert before != figure.screenshot()
            tried += 1
    assert tried > 0
    assert [] == opened.said


def test_a_narrow_window_has_no_second_scroll_bar(opened: Opened) -> None:
    """Wide tables scroll in their own place; figures become as narrow as the window."""
    opened.page.set_viewport_size(NARROW)
    opened.page.wait_for_timeout(SETTLE_MS)
    needed, given = opened.page.evaluate(WIDTH_OF_TEXT)
    opened.page.set_viewport_size(WINDOW)
    assert needed <= given


def test_every_table_has_rows_with_text(opened: Opened) -> None:
    """A table without content is a mistake that no console tells of."""
    tables = opened.page.locator("table").all()
    assert tables
    for table in tables:
        assert table.locator("tbody tr, tr:has(td)").count() > 0
        assert table.inner_text().strip()


def test_the_network_is_really_cut_off(context: BrowserContext) -> None:
    """Else the test that nothing is asked for would pass for want of a network."""
    page = context.new_page()
    with pytest.raises(Error, match="ERR_"):
        page.goto("http://localhost:9/")
    page.close()
