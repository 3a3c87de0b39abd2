"""Tests of the report: one page, the same bytes again, nothing from elsewhere, and it draws."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace
from plotly.offline import get_plotlyjs

from platforms.errors import InvalidInput
from rm.evaluation.figure_style import policy_styles
from rm.evaluation.outcome import EpisodeOutcome, Moment
from rm.evaluation.report import write_report
from rm.evaluation.thinning import Stretch, stretches, thinned
from rm.evaluation.timeline_figure import Timelines
from tests.rm import fake_outcomes

COMMAND = "ilgov evaluate --cooling fan passive --seeds 1 2 3"
LARGEST_BYTES = 8_000_000
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
BROWSER_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--virtual-time-budget=8000",
    "--window-size=1400,1000",
    "--enable-logging=stderr",
    "--dump-dom",
)


@pytest.fixture(scope="module")
def outcomes() -> tuple[EpisodeOutcome, ...]:
    """Four policies, two coolings, three seeds."""
    return fake_outcomes.outcomes()


@pytest.fixture(scope="module")
def page(outcomes: tuple[EpisodeOutcome, ...], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page about `outcomes`."""
    return written(tmp_path_factory.mktemp("report") / "report.html", outcomes)


def written(path: Path, outcomes: Sequence[EpisodeOutcome], command: str = COMMAND) -> str:
    """The text of the page about some outcomes."""
    write_report(path, outcomes, board=fake_outcomes.board(), command=command)
    return path.read_text("utf-8")


def own_part(page: str) -> str:
    """The page without plotly.js."""
    assert 1 == page.count(get_plotlyjs())
    return page.replace(get_plotlyjs(), "")


def plot_data(page: str, plot: str) -> dict[str, object]:
    """The data of one figure on the page."""
    pattern = rf'<script type="application/json" id="{plot}-data">(.*?)</script>'
    found = re.search(pattern, page, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    assert isinstance(data, dict)
    return data


def test_the_page_loads_nothing_from_elsewhere(page: str) -> None:
    """It must look the same on a machine without network, and tell nobody that it was opened."""
    own = own_part(page)
    assert not re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?\s*(?:https?:)?//""", own)
    assert "@import" not in own
    assert "default-src 'none'" in own


def test_the_page_names_everything_that_was_run(page: str) -> None:
    """A figure without its conditions cannot be quoted."""
    own = own_part(page)
    for name in (*fake_outcomes.POLICIES, *fake_outcomes.COOLINGS):
        assert name in own
    for text in ("HiKey 970", "1, 2, 3", "300 s", COMMAND, "plotly ", "Python "):
        assert text in own


def test_the_page_says_that_temperatures_are_simulated(page: str) -> None:
    """Nobody may take them for measurements."""
    assert "Temperatures are simulated" in page
    assert "simulated temperature (°C)" in json.dumps(
        plot_data(page, "temperatures"), ensure_ascii=False
    )


def test_equal_outcomes_give_equal_bytes(
    page: str, tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """A page that differs without a cause cannot be checked."""
    assert page == written(tmp_path / "again.html", outcomes)


def test_every_policy_has_the_same_colour_in_every_figure(page: str) -> None:
    """A reader learns the colours once."""
    styles = policy_styles(tuple(fake_outcomes.POLICIES))
    for plot in ("tradeoff", "timeline-0", "timeline-1", "ratios"):
        traces = plot_data(page, plot)["data"]
        assert isinstance(traces, list)
        for policy, style in styles.items():
            named = [trace for trace in traces if trace.get("name") == policy]
            drawn = {(t.get("line") or t.get("marker"))["color"] for t in named}
            assert {style.colour} == drawn


def test_policies_from_elsewhere_get_colours_that_nobody_has() -> None:
    """Two policies of one colour would be read as one."""
    styles = policy_styles(("topil", "oracle", "theirs", "another"))
    assert 4 == len({style.colour for style in styles.values()})


def test_a_large_comparison_stays_small_enough_to_mail(tmp_path: Path) -> None:
    """Ten policies, three coolings, each timeline of 12 000 moments with a migration in each."""
    moment = fake_outcomes.episode("topil", "fan", 1).timeline[200]
    timeline = tuple(
        replace(
            moment,
            time_s=0.05 * i,
            application_on_core=tuple((i + core) % 20 for core in range(8)),
        )
        for i in range(12_000)
    )
    template = replace(fake_outcomes.episode("topil", "fan", 1), duration_s=600.0)
    many = [
        replace(template, policy=f"policy-{i}", cooling=cooling, timeline=timeline)
        for i in range(10)
        for cooling in ("fan", "passive", "passive-35")
    ]
    assert len(written(tmp_path / "large.html", many).encode()) < LARGEST_BYTES


def test_names_and_command_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    """Names come from files that anybody may have written."""
    hostile = "</script><script>alert(1)</script>"
    outcome = fake_outcomes.episode("topil", "fan", 1)
    bad_app = replace(outcome.applications[0], name=hostile)
    bad = replace(outcome, policy=hostile, cooling=hostile, applications=(bad_app,))
    own = own_part(written(tmp_path / "report.html", [bad], command=hostile))
    assert "<script>alert" not in own


def test_a_single_policy_without_timeline_and_oracle_has_a_page(tmp_path: Path) -> None:
    """The smallest evaluation there is."""
    outcome = fake_outcomes.episode("gts-powersave", "fan", 1)
    unknown = tuple(replace(app, attainable=None) for app in outcome.applications)
    lone = replace(outcome, timeline=(), applications=unknown)
    own = own_part(written(tmp_path / "report.html", [lone]))
    assert "not known without the oracle" in own
    assert 'id="timeline-0"' not in own


def test_no_outcome_is_refused(tmp_path: Path) -> None:
    """An empty page would look like a result."""
    with pytest.raises(InvalidInput, match=r"at least one episode \(got none\)"):
        written(tmp_path / "report.html", [])
    assert not list(tmp_path.iterdir())


def test_the_timeline_is_of_the_seed_that_most_policies_ran() -> None:
    """Only episodes of one seed can be compared over time."""
    outcomes = [
        fake_outcomes.episode("topil", "fan", 1),
        fake_outcomes.episode("topil", "fan", 2),
        fake_outcomes.episode("oracle", "fan", 2),
    ]
    found = Timelines(outcomes, cooling="fan", policies=("oracle", "topil"))
    assert 2 == found.seed
    assert ["oracle", "topil"] == [episode.policy for episode in found.episodes]


def moments(*mappings: tuple[int, ...]) -> list[Moment]:
    """A moment per second with these applications on the cores."""
    return [
        Moment(
            time_s=float(second),
            sensor_temp_c=50.0,
            peak_temp_c=60.0,
            power_w=2.0,
            freqs_hz=(10**9,),
            application_on_core=mapping,
        )
        for second, mapping in enumerate(mappings)
    ]


def test_stretches_are_runs_of_one_application_on_one_core() -> None:
    """Idle time is no stretch, and the last one lasts to the episode's end."""
    found, step = stretches(moments((7, -1), (7, 3), (8, 3), (-1, 3)), end_s=5.0, most=10)
    expected = (Stretch(0, 7, 0.0, 2.0), Stretch(0, 8, 2.0, 3.0), Stretch(1, 3, 1.0, 5.0))
    assert expected == found
    assert 1 == step


def test_stretches_get_coarser_until_they_are_few_enough() -> None:
    """A policy that migrates all the time must not make the page huge."""
    found, step = stretches(moments(*[(i,) for i in range(16)]), end_s=16.0, most=4)
    assert 4 == len(found)
    assert 4 == step


def test_a_thinned_timeline_keeps_its_beginning_and_even_steps() -> None:
    """Uneven steps would bend the curves."""
    kept = thinned(moments(*[(i,) for i in range(10)]), most=4)
    assert [0.0, 3.0, 6.0, 9.0] == [moment.time_s for moment in kept]


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: the page was not opened")
def test_the_page_draws_its_figures_in_a_browser_without_an_error(
    page: str, tmp_path: Path
) -> None:
    """All else checks text; whether there is anything to see only a browser can tell.

    The page under test chooses a policy by itself, so that the choice is tried, too.
    """
    click = """<script>
    const button = document.querySelector('[data-plot=timeline-1] [value=gts-powersave]');
    button.click();
    const shown = document.getElementById('timeline-1').data.filter((t) => t.meta && t.visible);
    document.body.dataset.shown = [...new Set(shown.map((t) => t.meta))].join();
    document.body.dataset.pressed = button.getAttribute('aria-pressed');
    </script></body>"""
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", click), "utf-8")
    dom, log = opened(path, tmp_path / "profile")
    assert not [line for line in log.splitlines() if "CONSOLE" in line]
    places = re.findall(r'<div class="plot js-plotly-plot" id="([a-z0-9-]+)"', dom)
    assert ["temperatures", "misses", "tradeoff", "timeline-0", "timeline-1", "ratios"] == places
    assert len(re.findall(r'<svg class="main-svg"', dom)) >= len(places)
    assert 'data-shown="gts-powersave"' in dom
    assert 'data-pressed="true"' in dom
    for policy in fake_outcomes.POLICIES:
        assert re.search(rf'class="legendtext"[^>]*>{policy}<', dom)


def opened(path: Path, profile: Path) -> tuple[str, str]:
    """The document after the browser has run its scripts, and what the browser logged."""
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *BROWSER_OPTIONS, f"--user-data-dir={profile}", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, done.stderr
