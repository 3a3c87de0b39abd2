"""The comparison's report in a real browser without a network: it draws, and it is silent."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from rm.main import main
from tests.training.federated.toy import NAME

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason="no Chromium is installed, the report was opened in no browser "
    "(Debian: apt-get install chromium)",
)

DRAWN = """
() => [...document.querySelectorAll("div.plot")].map(place => ({
  id: place.id,
  asked: JSON.parse(document.getElementById(place.id + "-data").textContent).data.length,
  traces: (place.data || []).length,
  panels: place.querySelectorAll(".cartesianlayer .subplot").length,
  marks: [...place.querySelectorAll(".cartesianlayer .trace path")]
    .map(mark => mark.getBoundingClientRect())
    .filter(box => box.width > 0 || box.height > 0).length,
}))
"""
"""What became of each figure: its traces, its panels, and how many marks can be seen in it."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a small comparison."""
    out = tmp_path_factory.mktemp("comparison")
    words = ["--systems", NAME, "--rounds", "5", "--seeds", "3", "--jobs", "1", "--json"]
    assert 0 == main(["federated", "compare", "--out", str(out), *words])
    return out / "report.html"


@pytest.fixture(scope="module")
def said() -> list[str]:
    """What the page wrote to the console, and what it asked for."""
    return []


@pytest.fixture(scope="module")
def page(report: Path, said: list[str]) -> Iterator[Page]:
    """The report, opened offline."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        page.goto(report.as_uri())
        page.wait_for_selector(".plot .main-svg", timeout=30_000)
        page.wait_for_timeout(500)
        yield page
        browser.close()


def test_the_page_asks_for_nothing_and_complains_of_nothing(
    page: Page, said: list[str], report: Path
) -> None:
    """Its own address is all that is heard."""
    del page
    assert [report.as_uri()] == said


def test_every_figure_is_drawn(page: Page) -> None:
    """Overview with two panels, the scene with six; in each there is something to see."""
    overview, scene = page.evaluate(DRAWN)
    assert (2, 6) == (overview["panels"], scene["panels"])
    for figure in (overview, scene):
        assert 0 < figure["asked"] == figure["traces"], figure["id"]
        assert figure["marks"] > 2, figure["id"]


def test_every_table_has_rows_with_text(page: Page) -> None:
    """Two in the overview, four of the protocols, the study's own, the tuning."""
    tables = page.locator("table").all()
    assert 8 == len(tables)
    for table in tables:
        assert table.locator("tr:has(td)").count() > 0
        assert (table.text_content() or "").strip()


def test_text_of_the_page_is_no_wider_than_the_window(page: Page) -> None:
    """Wide tables scroll in their own place."""
    page.set_viewport_size({"width": 600, "height": 900})
    page.wait_for_timeout(500)
    needed, given = page.evaluate(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    page.set_viewport_size({"width": 1280, "height": 900})
    assert needed <= given
