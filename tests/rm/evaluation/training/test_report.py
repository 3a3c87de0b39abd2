"""The report of a comparison with training."""

from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from platforms.training_work import load_training
from rm.evaluation.training.comparison import mark_attainable
from rm.evaluation.training.report import write_training_report
from tests.rm.evaluation.training.fakes import outcomes
from tests.rm.readings import HIKEY

TINY = load_training("tiny-4")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A report of four policies."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    _write(path)
    return path.read_text()


def _write(path: Path) -> None:
    write_training_report(
        path,
        mark_attainable(outcomes()),
        board=HIKEY,
        training=TINY,
        command="ilgov evaluate --scenario training --out somewhere",
    )


def test_it_says_what_was_run_and_how_to_do_it_again(page: str) -> None:
    """Board, training, limits, command."""
    for text in (
        "HiKey 970",
        "tiny-4, 24 settings",
        "limit 50 °C",
        "<code>ilgov evaluate --scenario training --out somewhere</code>",
        "Temperatures are simulated",
    ):
        assert text in page


def test_every_figure_is_there_with_a_timeline_per_cooling(page: str) -> None:
    """Numbered in the order of the page."""
    ids = ("temperatures", "misses", "tradeoff", "round-times", "timeline-0", "timeline-1")
    places = [page.index(f'id="{name}"') for name in ids]
    assert sorted(places) == places
    for number in range(1, 7):
        assert f"<b>Figure {number}.</b>" in page


def test_the_timeline_shows_training_rounds_and_the_limit(page: str) -> None:
    """Of ilgov first."""
    data = page.split('id="timeline-0-data">')[1].split("</script>", maxsplit=1)[0]
    assert '"rounds"' in data
    assert "round 0: 101 reference samples in 45.0 s" in data
    assert "training, setting %{customdata}" in data
    assert 'value="ilgov" aria-pressed="true"' in page


def test_equal_outcomes_give_equal_pages(page: str, tmp_path: Path) -> None:
    """Byte for byte."""
    _write(tmp_path / "report.html")
    assert page == (tmp_path / "report.html").read_text()


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    """There is nothing to show."""
    with pytest.raises(InvalidInput, match="at least one episode"):
        write_training_report(
            tmp_path / "report.html", (), board=HIKEY, training=TINY, command="ilgov"
        )
