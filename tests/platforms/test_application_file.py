"""Application files: shipped profiles are those of the table, wrong ones are named precisely."""

import csv
import gzip
import math
from pathlib import Path
from statistics import fmean, linear_regression, median
from typing import NamedTuple

import pytest

import platforms
from platforms.application import ApplicationProfile
from platforms.application_file import (
    check,
    find_applications,
    load_suite,
    parse_suite,
    shipped_applications,
)
from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput

PARSEC = (Path(platforms.__file__).parent / "applications" / "parsec.toml").read_text("utf-8")
DATA = Path(__file__).parents[3] / "shared" / "data"
TABLE = DATA / "kirin970" / "applications.csv"
SAMPLES = DATA / "odroid-xu3" / "parsec_1core_a15.tsv.gz"
PHASED = ("parsec.dedup", "parsec.facesim", "splash2x.barnes", "splash2x.radiosity")

SMALL = """
schema = 1
suite = "mine"
[sources]
activity = "assumed: made up"
[[applications]]
name = "loop"
activity = 0.7
l2d_per_instruction = 0.01
bytes_per_instruction = 0.1
phases = [
    { instructions = 1e9, cpi_scale = 1.5, stall_scale = 1.5 },
    { instructions = 1e9, cpi_scale = 0.5, stall_scale = 0.5 },
]
core_profiles = { cortex-a53 = { cpi = 1.2, stall_s = 1e-10 } }
[applications.sources]
l2d_per_instruction = "assumed: made up"
bytes_per_instruction = "assumed: made up"
"phases.instructions" = "assumed: made up"
"phases.cpi_scale" = "assumed: made up"
"phases.stall_scale" = "assumed: made up"
"phases.activity_scale" = "assumed: made up"
"core_profiles.cortex-a53.cpi" = "assumed: made up"
"core_profiles.cortex-a53.stall_s" = "assumed: made up"
"""


@pytest.fixture(scope="module")
def shipped() -> dict[str, ApplicationProfile]:
    """All shipped applications."""
    return shipped_applications()


def test_both_suites_are_shipped_sorted_by_name(shipped: dict[str, ApplicationProfile]) -> None:
    """The order decides what a seed draws: it must not depend on the file system."""
    suites = [profile.suite for profile in shipped.values()]
    assert (6, 21) == (suites.count("parsec"), suites.count("cbench"))
    assert sorted(shipped) == list(shipped)


def test_every_shipped_profile_passes_its_own_check(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """What ilgov ships has to satisfy what it asks of others."""
    assert [] == [problem for profile in shipped.values() for problem in check(profile)]


def test_every_shipped_profile_runs_on_every_shipped_board(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """Each core type needs profiles or a stand-in; a big core, if any, is the faster."""
    for name in shipped_boards():
        board = load_board(name)
        weakest, strongest = board.clusters_by_capacity[0], board.clusters_by_capacity[-1]
        for profile in shipped.values():
            slow, fast = (
                profile.ips(board.clusters[i], board.clusters[i].freqs_hz[-1])
                for i in (weakest, strongest)
            )
            one_kind = len({cluster.core_type for cluster in board.clusters}) == 1
            assert 1e8 < slow <= fast < 1e10
            assert one_kind == (slow == fast)


def test_the_profiles_are_those_of_the_derived_table(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """Recomputes cpi and stall of all 27 profiles, so that no digit was mistyped."""
    if not TABLE.is_file():
        pytest.skip(f"the table of derived profiles is not here: {TABLE}")
    with TABLE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sorted(shipped) == sorted(row["benchmark"] for row in rows)
    for row in rows:
        for core_type, short in (("cortex-a73", "a73"), ("cortex-a53", "a53")):
            speed = shipped[row["benchmark"]].core_profiles[core_type]
            assert speed.cpi == pytest.approx(float(row[f"cpi0_{short}"]), abs=1e-9)
            stall_s = float(row[f"mem_ns_{short}"]) * 1e-9
            assert speed.stall_s == pytest.approx(stall_s, rel=1e-9, abs=1e-15)


def test_the_speed_at_the_top_clocks_is_that_of_the_derived_table(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """Speed through the board's clusters and the table's own IPC agree within its two digits."""
    if not TABLE.is_file():
        pytest.skip(f"the table of derived profiles is not here: {TABLE}")
    little, big = load_board("hikey970").clusters
    with TABLE.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            profile = shipped[row["benchmark"]]
            for cluster, key in ((big, "ipc_a73_2362"), (little, "ipc_a53_1844")):
                freq_hz = cluster.freqs_hz[-1]
                ipc = profile.ips(cluster, freq_hz) / freq_hz
                assert ipc == pytest.approx(float(row[key]), abs=0.006)


def test_l2_accesses_of_the_parsec_suite_are_those_measured_on_an_a15(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """Recomputes the median over the good runs from the samples themselves."""
    if not SAMPLES.is_file():
        pytest.skip(f"the measured samples are not here: {SAMPLES}")
    runs: dict[str, dict[tuple[str, str], list[float]]] = {}
    with gzip.open(SAMPLES, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            run = row["Run(#)"], row["CPU(4) Frequency(MHz)"]
            sums = runs.setdefault(row["Benchmark"], {}).setdefault(run, [0.0, 0.0])
            sums[0] += float(row["INST_RETIRED"])
            sums[1] += float(row["L2D_CACHE_ACCESS"])
    assert sorted(name for name in shipped if shipped[name].suite == "parsec") == sorted(runs)
    for name, totals in runs.items():
        whole = median(instructions for instructions, _ in totals.values())
        good = [l2d / inst for inst, l2d in totals.values() if abs(inst / whole - 1) <= 0.1]
        assert shipped[name].l2d_per_instruction == pytest.approx(median(good), abs=5e-5)


def test_memory_traffic_is_two_overlapping_misses_per_stall(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """`bytes_per_instruction` is derived from the A73's stall; the file's head says how."""
    for profile in shipped.values():
        expected = profile.core_profiles["cortex-a73"].stall_s / 141e-9 * 64 * 2
        assert profile.bytes_per_instruction == pytest.approx(expected, abs=5e-5)


def test_activity_lies_between_the_lowest_compute_bound_loop_and_one(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """The reference puts the per-application factor at 0.45 to 1."""
    activities = [profile.activity for profile in shipped.values()]
    assert 0.45 <= min(activities)
    assert 1.0 == max(activities)


def test_four_programs_have_phases_which_keep_the_mean_time_per_instruction(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """A profile's speed and its phases' mean must agree, else a QoS target means two things."""
    assert PHASED == tuple(name for name, profile in shipped.items() if profile.phases)
    for name in PHASED:
        phases = shipped[name].phases
        total = math.fsum(phase.instructions for phase in phases)
        for key in ("cpi_scale", "stall_scale"):
            mean = math.fsum(phase.instructions * getattr(phase, key) for phase in phases) / total
            assert mean == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "mean_ipc", "changes_per_minute", "cov"),
    [
        ("parsec.dedup", 0.78, 48, 0.303),
        ("parsec.facesim", 0.58, 36, 0.448),
        ("splash2x.barnes", 0.69, 16, 0.121),
        ("splash2x.radiosity", 0.99, 23, 0.240),
    ],
)
def test_phases_change_and_vary_as_often_as_measured(
    shipped: dict[str, ApplicationProfile],
    name: str,
    mean_ipc: float,
    changes_per_minute: float,
    cov: float,
) -> None:
    """Level changes a minute and the IPC's spread are those of the A15 at 1.8 GHz."""
    phases = shipped[name].phases
    times_s = [p.instructions * p.cpi_scale / (mean_ipc * 1.8e9) for p in phases]
    whole_s = math.fsum(times_s)
    assert 60 * len(phases) / whole_s == pytest.approx(changes_per_minute, rel=0.01)
    spread = math.fsum(
        time_s * (1 / p.cpi_scale - 1) ** 2 for time_s, p in zip(times_s, phases, strict=True)
    )
    assert math.sqrt(spread / whole_s) == pytest.approx(cov, rel=0.03)


def test_phases_move_activity_as_weakly_as_power_follows_ipc_on_an_a15(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """Recomputes the scales from the samples: a straight line of power through IPC at 1.8 GHz."""
    if not SAMPLES.is_file():
        pytest.skip(f"the measured samples are not here: {SAMPLES}")
    idle_cluster_w = 0.632
    for name, runs in _samples_by_run().items():
        if name not in PHASED:
            continue
        whole = median(sum(s.instructions for s in run) for run in runs.values())
        good = [
            sample
            for (freq, _), run in runs.items()
            if freq == "1800" and abs(sum(s.instructions for s in run) / whole - 1) <= 0.1
            for sample in run
        ]
        ipc, power_w = [s.instructions / s.cycles for s in good], [s.power_w for s in good]
        slope, _ = linear_regression(ipc, power_w)
        mean_ipc = {"dedup": 0.78, "facesim": 0.58, "barnes": 0.69, "radiosity": 0.99}
        w_of_ipc = slope * mean_ipc[name.split(".")[1]] / (fmean(power_w) - idle_cluster_w)
        for phase in shipped[name].phases:
            expected = 1 + w_of_ipc * (1 / phase.cpi_scale - 1)
            assert phase.activity_scale == pytest.approx(expected, abs=1e-3)


class _Sample(NamedTuple):
    instructions: float
    cycles: float
    power_w: float


def _samples_by_run() -> dict[str, dict[tuple[str, str], list[_Sample]]]:
    """The half-second samples by program, then by frequency in MHz and run."""
    found: dict[str, dict[tuple[str, str], list[_Sample]]] = {}
    keys = ("INST_RETIRED", "CPU_CYCLES", "A15 Power(W)")
    with gzip.open(SAMPLES, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            run = row["CPU(4) Frequency(MHz)"], row["Run(#)"]
            samples = found.setdefault(row["Benchmark"], {}).setdefault(run, [])
            samples.append(_Sample(*(float(row[key]) for key in keys)))
    return found


def test_names_and_suites_are_both_found_and_nothing_comes_twice(
    shipped: dict[str, ApplicationProfile],
) -> None:
    """A plan may name a suite and one of its programs."""
    found = find_applications(["telecom_CRC32", "parsec", "parsec.dedup"])
    names = [profile.name for profile in found]
    assert ["telecom_CRC32", *(n for n in shipped if shipped[n].suite == "parsec")] == names


def test_an_unknown_name_is_answered_with_what_is_known() -> None:
    """Somebody who guesses a name must see the list."""
    with pytest.raises(InvalidInput) as error:
        find_applications(["parsec", "blackscholes"])
    text = str(error.value)
    assert text.startswith(
        "application must be a suite (cbench, parsec), a suite file (.toml) or one of auto"
    )
    assert text.endswith("telecom_adpcm_d (got 'blackscholes')")


def test_own_applications_can_be_searched_instead_of_the_shipped_ones() -> None:
    """A user's suite is found the same way."""
    known = parse_suite(SMALL, origin="mine.toml")
    assert (known["loop"],) == find_applications(["mine"], known=known)
    message = r"a suite \(mine\), a suite file \(\.toml\) or one of loop \(got 'parsec'\)"
    with pytest.raises(InvalidInput, match=message):
        find_applications(["parsec"], known=known)


def test_a_files_suite_and_sources_hold_for_its_applications() -> None:
    """What is common is written once; what an application says itself comes first."""
    text = SMALL.replace("activity = 0.7", "activity = 0.7\nsuite = 'other'")
    text += 'activity = "measured: by me"\n'
    profile = parse_suite(text, origin="mine.toml")["loop"]
    assert "other" == profile.suite
    assert "measured: by me" == profile.sources["activity"]
    assert "assumed: made up" == parse_suite(SMALL, origin="m")["loop"].sources["activity"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 3", "schema must be 1 (got 3)"),
        ("schema = 1", "", "schema is required (got nothing)"),
        ("schema = 1", "schema = 1\nboard = 2", "board is not a known key (got 2)"),
        ('suite = "mine"', "", "suite is required (got nothing)"),
        ('name = "loop"', "name = 4", "applications[0].name must be `str` (got 4)"),
        ('name = "loop"', 'name = "mine"', "applications.name must be unique and no suite's name"),
        (
            "activity = 0.7",
            "activity = 0.7\nspeed = 1",
            "applications[0].speed is not a known key (got 1)",
        ),
        ("activity = 0.7", "", "applications[0].activity is required (got nothing)"),
        (
            "activity = 0.7",
            "activity = 1.7",
            "applications.loop.activity must lie above 0 and up to 1 (got 1.7)",
        ),
        (
            "l2d_per_instruction = 0.01",
            "l2d_per_instruction = inf",
            "applications.loop.l2d_per_instruction must be a finite number (got inf)",
        ),
        (
            "bytes_per_instruction = 0.1",
            "bytes_per_instruction = -0.1",
            "applications.loop.bytes_per_instruction must not be negative (got -0.1)",
        ),
        (
            "cpi = 1.2",
            "cpi = 0.0",
            "applications.loop.core_profiles.cortex-a53.cpi must be positive (got 0.0)",
        ),
        (
            "stall_s = 1e-10",
            "stall_s = -1.0",
            "applications.loop.core_profiles.cortex-a53.stall_s must not be negative (got -1.0)",
        ),
        (
            "core_profiles = { cortex-a53 = { cpi = 1.2, stall_s = 1e-10 } }",
            "core_profiles = {}",
            "applications.loop.core_profiles must hold at least one core type (got none)",
        ),
        (
            "{ instructions = 1e9, cpi_scale = 1.5",
            "{ instructions = 0, cpi_scale = 1.5",
            "applications.loop.phases[0].instructions must be positive (got 0.0)",
        ),
        (
            "stall_scale = 1.5",
            "stall_scale = 1.5, activity_scale = 1.5",
            "applications.loop.phases[0].activity_scale must not raise activity = 0.7 above 1",
        ),
        (
            "stall_scale = 1.5",
            "stall_scale = 1.5, activity_scale = 1.2",
            "activity_scale must be 1 in the mean over the phases' time (instructions x cpi_scale)",
        ),
        (
            "cpi_scale = 0.5",
            "cpi_scale = 0.9",
            "so that the profile holds in the mean (got 1.2000)",
        ),
        (
            'activity = "assumed: made up"',
            "",
            "loop.sources must say where every value comes from (missing: ['activity'])",
        ),
        (
            'activity = "assumed: made up"',
            'activity = "heard: somewhere"',
            "applications.loop.sources.activity must be '<kind>: <where>' with a kind out of: ",
        ),
        (
            'activity = "assumed: made up"',
            'activity = "assumed: made up"\ncolour = "assumed: red"',
            "applications.loop.sources names values that are not there (got ['colour'])",
        ),
        (
            'activity = "assumed: made up"',
            "activity = 7",
            "sources[...] must be `str` (got {'activity': 7})",
        ),
        ("[sources]", "[sources", "must be a TOML file ("),
    ],
)
def test_a_wrong_value_is_named_with_file_key_and_value(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    """The same words as for a board file, because it is the same code."""
    assert old in SMALL
    file = tmp_path / "mine.toml"
    file.write_text(SMALL.replace(old, new, 1), "utf-8")
    with pytest.raises(InvalidInput) as error:
        load_suite(file)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('schema = 1\nsuite = "a"\napplications = []', "applications must hold at least one"),
        ('schema = 1\nsuite = "a"\napplications = 3', "applications must be `array` (got 3)"),
        ('schema = 1\nsuite = "a"\napplications = [3]', "applications[0] must be `object`"),
        ('schema = 1\nsuite = "a"\nsources = 3\napplications = []', "sources must be `object`"),
    ],
)
def test_a_file_of_the_wrong_shape_is_refused(text: str, message: str) -> None:
    """Completing the applications must not stumble over what is no table."""
    with pytest.raises(InvalidInput) as error:
        parse_suite(text, origin="mine.toml")
    assert message in str(error.value)


def test_two_applications_of_one_name_are_refused() -> None:
    """The later one would silently replace the earlier one."""
    twice = PARSEC.replace('"splash2x.raytrace"', '"parsec.dedup"')
    with pytest.raises(InvalidInput) as error:
        parse_suite(twice, origin="mine.toml")
    assert (
        "mine.toml: applications.name must be unique and no suite's name (got 'parsec.dedup')"
    ) == str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """The path is named, and no traceback is shown."""
    with pytest.raises(InvalidInput, match=r"nothing\.toml: cannot be read as text"):
        load_suite(tmp_path / "nothing.toml")
