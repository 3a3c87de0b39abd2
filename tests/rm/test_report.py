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
from rm.evaluation.generalisation import conditions, generalise
from rm.evaluation.outcome import EpisodeOutcome, Moment
from rm.evaluation.regret import regrets
from rm.evaluation.report import write_report
from rm.evaluation.stopwatch import DecisionTimes
from rm.evaluation.thinning import Stretch, stretches, thinned
from rm.evaluation.timeline_figure import Timelines
from rm.evaluation.timing import policy_times
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


def test_the_page_says_who_was_throttled_by_the_boards_trip_point(tmp_path: Path) -> None:
    """And that nobody was: silence could as well mean that nobody looked."""
    calm = fake_outcomes.outcomes(policies=("topil", "oracle"), coolings=("fan",), seeds=(1, 2))
    cool = [replace(outcome, throttled_s=0.0) for outcome in calm]
    hot = [replace(cool[0], throttled_s=0.2 * cool[0].duration_s), *cool[1:]]
    pages = [own_part(written(tmp_path / "page.html", tuple(part))) for part in (cool, hot)]
    assert "none (share of the time; trip point 85 °C)" in pages[0]
    assert "fan: topil 10.0 % (share of the time; trip point 85 °C)" in pages[1]


def test_a_board_without_trip_points_says_so(tmp_path: Path) -> None:
    """Then nothing could have been throttled."""
    bare = replace(fake_outcomes.board(), protection=None)
    path = tmp_path / "page.html"
    write_report(path, fake_outcomes.outcomes(), board=bare, command=COMMAND)
    assert "none: hikey970 has no trip points" in path.read_text("utf-8")


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


def test_temperature_axes_are_equally_wide_and_show_all_that_is_drawn(tmp_path: Path) -> None:
    """Cold and hot air lie 45 K apart: on one axis the policies could not be told apart."""
    shifted = [
        replace(o, cooling=cooling, mean_temp_c=o.mean_temp_c + k, peak_temp_c=o.peak_temp_c + k)
        for o in fake_outcomes.outcomes(coolings=("fan",))
        for cooling, k in (("fan-cold", -25.0), ("fan", 0.0), ("fan-hot", 20.0))
    ]
    figure = plot_data(written(tmp_path / "report.html", shifted), "temperatures")
    layout, drawn = figure["layout"], figure["data"]
    assert isinstance(layout, dict)
    assert isinstance(drawn, list)
    ranges = {f"x{n}": layout[f"xaxis{n}"]["range"] for n in ("", "2", "3")}
    width = ranges["x"][1] - ranges["x"][0]
    assert all(pytest.approx(width) == high - low for low, high in ranges.values())
    for trace in drawn:
        low, high = ranges[trace["xaxis"]]
        assert all(low <= x <= high for x in trace["x"] if x is not None), trace["name"]


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


def test_a_comparison_of_everything_can_still_be_mailed(tmp_path: Path) -> None:
    """Thirteen policies under seven cooling setups, some seeds, ten minutes each."""
    template = fake_outcomes.episode("topil", "fan", 1)
    names = ("oracle", *(f"policy-{i}" for i in range(12)))
    many = [
        replace(template, policy=policy, cooling=f"cooling-{i}", seed=seed)
        for policy in names
        for i in range(7)
        for seed in range(3)
    ]
    text = written(tmp_path / "everything.html", many)
    assert len(text.encode()) < LARGEST_BYTES
    assert 7 == text.count("<details")
    assert 1 == text.count("<details open>")


def test_what_the_judge_and_the_stopwatch_found_is_on_the_page(
    tmp_path: Path, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """Each in a section of its own; without them the page has neither."""
    verdicts = {"judged": 8, "judged_within": 6, "judged_proven": 7, "steady_regret_k": 0.625}
    judged = [replace(o, **verdicts) for o in outcomes]
    times = policy_times(
        [
            DecisionTimes(
                policy="topil",
                cooling="fan",
                seed=1,
                migrate_median_s=3e-5,
                migrate_p99_s=9e-5,
                scale_median_s=1e-6,
                scale_p99_s=2e-6,
                reference_median_s=1e-5,
            )
        ]
    )
    path = tmp_path / "report.html"
    write_report(path, judged, board=fake_outcomes.board(), command=COMMAND, times=times)
    own = own_part(path.read_text("utf-8"))
    assert "mapping within 1 K of the optimum" in own
    assert "The optimum was proven at 168 of 192 looks." in own
    assert 'title="topil, fan, 3 seeds">75.0</td>' in own
    assert "0.62 ± 0.00" in own
    assert "<h2>Decision time</h2>" in own
    assert "<td>0.0300</td><td>0.0900</td><td>3.0</td><td>9.0</td>" in own


def test_trained_policies_have_a_table_per_condition(tmp_path: Path) -> None:
    """With what each condition is."""
    outcomes = fake_outcomes.outcomes(policies=("topil", "oracle"))
    parts = [
        (condition, [o for o in outcomes if o.cooling in condition.coolings])
        for condition in conditions(applications=("parsec",), coolings=("passive",))
    ]
    path = tmp_path / "report.html"
    rows = generalise(parts, ["topil"])
    write_report(path, outcomes, board=fake_outcomes.board(), command=COMMAND, generalisation=rows)
    own = own_part(path.read_text("utf-8"))
    for condition, _ in parts:
        assert f"<b>{condition.name}</b>" in own
    assert f"{rows[1].regret_k.mean:+.2f} [".replace("-", "−") in own


def test_the_overview_has_a_regret_per_policy_and_cooling(
    page: str, outcomes: tuple[EpisodeOutcome, ...]
) -> None:
    """The first thing that a reader wants to know."""
    own = own_part(page)
    matrix = own[own.index("regret: hottest core") : own.index("misses of targets that the")]
    for item in regrets(outcomes):
        assert f">{item.regret_k.mean:.2f}</td>".replace("-", "−") in matrix
    assert "oracle</td>" not in matrix


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
    expected = [
        "regret",
        "temperatures",
        "misses",
        "tradeoff",
        "timeline-0",
        "timeline-1",
        "ratios",
    ]
    assert expected == places
    assert len(re.findall(r'<svg class="main-svg"', dom)) >= len(places)
    assert 'data-shown="gts-powersave"' in dom
    assert 'data-pressed="true"' in dom
    for policy in fake_outcomes.POLICIES:
        assert re.search(rf'class="legendtext"[^>]*>{policy}<', dom)


@pytest.mark.skipif(BROWSER is None, reason="no chromium is installed: the page was not opened")
def test_many_cooling_setups_share_a_place_and_are_drawn_when_they_are_chosen(
    tmp_path: Path,
) -> None:
    """Seven figures of time courses below each other would hide all that comes after."""
    template = fake_outcomes.episode("topil", "fan", 1)
    many = [replace(template, cooling=f"cooling-{i}") for i in range(4)]
    click = """<script>
    const drawn = () => [...document.querySelectorAll('.panel:not([hidden]) [id^=timeline]')]
      .filter((plot) => plot.data).map((plot) => plot.id).join();
    document.body.dataset.first = drawn();
    document.querySelector('.tabs [value=timeline-2]').click();
    document.body.dataset.second = drawn();
    </script></body>"""
    path = tmp_path / "report.html"
    path.write_text(written(path, many).replace("</body>", click), "utf-8")
    dom, log = opened(path, tmp_path / "profile")
    assert not [line for line in log.splitlines() if "CONSOLE" in line]
    assert 'data-first="timeline-0"' in dom
    assert 'data-second="timeline-2"' in dom


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
