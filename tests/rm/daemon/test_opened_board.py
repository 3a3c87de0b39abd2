"""Tests of the board put together as the configuration says: its sensors, its limits, its files."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.processes.processes import ProcessTable
from platforms.platform import Decision
from rm.daemon.configuration.settings import Configuration, SafetySettings
from rm.daemon.opened_board import USUAL_CRITICAL_C, OpenedBoard, critical_c, open_board
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.living_board import LivingClock

HIKEY = load_board("hikey970")
DEFAULTS = Configuration(board="hikey970")
ZONE = "sys/devices/virtual/thermal/thermal_zone0"

Opener = Callable[..., OpenedBoard]


def open_files() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A HiKey 970."""
    return FakeRoot(tmp_path / "root")


@pytest.fixture
def journal(root: FakeRoot, tmp_path: Path) -> Iterator[Journal]:
    """An open one."""
    boot_id = read_boot_id(root.path)
    opened = Journal.open(tmp_path / JOURNAL_NAME, boot_id=boot_id, strict=False)
    yield opened
    opened.close()


@pytest.fixture
def opener(root: FakeRoot, journal: Journal) -> Opener:
    """Opens the board with changes to the configuration."""

    def made(*, dry_run: bool = False, **changes: Any) -> OpenedBoard:
        return open_board(
            HIKEY,
            replace(DEFAULTS, **changes),
            root=root.path,
            journal=None if dry_run else journal,
            clock=LivingClock(root),
            table=ProcessTable(root.path),
            applications=lambda: (),
            on_interference=lambda _now_s, _path, _asked, _found: None,
        )

    return made


def test_it_reads_and_steers_the_machine(opener: Opener, root: FakeRoot) -> None:
    """All of it, below the root."""
    opened = opener()
    seen = opened.platform.observe()
    assert [("cls0", 45.0)] == [(t.sensor, t.temp_c) for t in seen.temperatures]
    opened.platform.take()
    opened.platform.apply(Decision((), (3, 4)))
    root.settle()
    assert (3, 4) == opened.platform.observe().opp_index
    opened.platform.release()
    opened.close()


def test_it_says_what_it_works_with(opener: Opener) -> None:
    """For status and log."""
    opened = opener(actuator="cap", placement="cpuset")
    assert {"clocks by cap", "placement by cpuset", "2 frequency domains"} <= set(opened.features)
    assert opened.features[0] in ("rates by heartbeats", "rates by counters")


def test_without_a_journal_it_is_only_looked_at(opener: Opener, root: FakeRoot) -> None:
    """A dry run."""
    before = root.snapshot()
    opened = opener(dry_run=True)
    opened.platform.take()
    opened.platform.apply(Decision((), (3, 4)))
    opened.platform.release()
    assert before == root.snapshot()
    opened.close()


def test_another_machine_is_refused(tmp_path: Path, opener: Opener, root: FakeRoot) -> None:
    """With what there is."""
    (root.path / "sys/devices/system/cpu/cpufreq/policy4/related_cpus").write_text("4 5\n")
    with pytest.raises(InvalidInput, match="cluster big must have a cpufreq policy"):
        opener()


def test_a_sensor_may_have_another_name_on_the_machine(opener: Opener, root: FakeRoot) -> None:
    """As the section of sensors says."""
    (root.path / ZONE / "type").write_text("soc-thermal\n")
    assert () == opener().platform.observe().temperatures
    opened = opener(sensors={"cls0": "soc-thermal"})
    assert ["cls0"] == [t.sensor for t in opened.platform.observe().temperatures]


def test_a_sensor_that_the_board_has_not_is_refused(opener: Opener) -> None:
    """It is a mistake, not a wish."""
    with pytest.raises(InvalidInput, match=r"sensors\.gpu must be a sensor of board.*cls0"):
        opener(sensors={"gpu": "gpu-thermal"})


def test_its_files_are_closed_with_it(opener: Opener, root: FakeRoot) -> None:
    """A daemon that cannot start must not hold the machine's files."""
    before = open_files()
    opened = opener()
    opened.platform.observe()
    opened.platform.take()
    opened.platform.release()
    opened.close()
    del opened
    assert before == open_files()


# --- where the failsafe begins ------------------------------------------------------------------


def test_the_owners_own_limit_goes_first(root: FakeRoot) -> None:
    """Whatever the kernel says."""
    owners = replace(DEFAULTS, safety=SafetySettings(critical_c=77.0))
    assert 77.0 == critical_c(HIKEY, owners, root.path)


def test_without_one_it_is_below_what_the_kernel_calls_critical(root: FakeRoot) -> None:
    """The kernel switches the board off at 110 degC."""
    assert 105.0 == critical_c(HIKEY, DEFAULTS, root.path)


def test_a_hot_trip_counts_as_critical(root: FakeRoot) -> None:
    """The lowest of them."""
    (root.path / ZONE / "trip_point_1_type").write_text("hot\n")
    assert 80.0 == critical_c(HIKEY, DEFAULTS, root.path)


def test_where_the_kernel_names_none_it_is_above_the_boards_protection(root: FakeRoot) -> None:
    """That it gets there means that the protection does not hold."""
    (root.path / ZONE / "trip_point_2_type").write_text("passive\n")
    assert HIKEY.protection is not None
    expected = HIKEY.protection.target_c + 5.0
    assert expected == critical_c(HIKEY, DEFAULTS, root.path)


def test_where_nobody_says_anything_it_is_the_usual_one(root: FakeRoot) -> None:
    """Assumed."""
    (root.path / ZONE / "trip_point_2_type").write_text("passive\n")
    unprotected = replace(HIKEY, protection=None)
    assert USUAL_CRITICAL_C == critical_c(unprotected, DEFAULTS, root.path)


def test_trips_of_zones_that_are_no_sensor_of_the_board_do_not_count(tmp_path: Path) -> None:
    """A battery's 60 degC say nothing of the cores."""
    root = FakeRoot(tmp_path / "other", zones=("cls0", "battery"))
    trip = root.path / "sys/devices/virtual/thermal/thermal_zone1/trip_point_2_temp"
    trip.write_text("60000\n")
    assert 105.0 == critical_c(HIKEY, DEFAULTS, root.path)
