"""A measured capability: point by point, with the clocks steered where that is possible."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from platforms.board import Board
from platforms.board_file import load_board
from platforms.training_work import load_training
from rm.planner.capability import check_capability, modelled_capability
from tests.platforms.linux.fake_root import FakeRoot
from training.federated.profile.capability_file import rounded
from training.federated.profile.clocks import Clocks, clocks_of
from training.federated.profile.measured import Subject, measure, measured_capability, places_of
from training.federated.profile.points import Head, Points
from training.federated.profile.power_sensor import PowerSensor
from training.federated.profile.stopwatch import Timed

HIKEY = load_board("hikey970")
TRAINING = load_training("tiny-4")
WORKS = TRAINING.works[:2]
SUBJECT = Subject(
    worker="tiny-4",
    settings=tuple(work.knobs for work in WORKS),
    works=WORKS,
    curve=TRAINING.curve,
)


class FakeStopwatch:
    """A step takes longer on fewer cores; `clocks` are what the knobs read meanwhile."""

    def __init__(self, root: FakeRoot | None = None) -> None:
        self.asked: list[tuple[Mapping[str, float], tuple[int, ...]]] = []
        self.clocks: set[str] = set()
        self._root = root

    def __call__(
        self, worker: str, knobs: Mapping[str, float], cores: tuple[int, ...], *, seconds: float
    ) -> Timed:
        """See `timed`."""
        self.asked.append((knobs, cores))
        if self._root is not None:
            self.clocks.add(self._root.read(f"{CPUFREQ}/policy{cores[0]}/scaling_setspeed"))
        return Timed(
            wall_s=1e-3 / len(cores),
            cpu_s=1e-3,
            steps=5,
            resident_bytes=300_000_000 + len(cores),
            allocated_bytes=8_000_000,
            undisturbed=1.0,
        )


CPUFREQ = "/sys/devices/system/cpu/cpufreq"


def points_at(tmp_path: Path, board: Board = HIKEY) -> Points:
    """Nothing is measured yet, or what is there."""
    head = Head(worker="tiny-4", board=board.name, seconds=1.0)
    return Points(tmp_path / "points.jsonl", head)


def test_every_clock_is_measured_and_given_back(tmp_path: Path) -> None:
    """On a machine whose cpufreq can be written, at every operating point of both clusters."""
    root = FakeRoot(tmp_path / "root")
    before = root.snapshot()
    stopwatch = FakeStopwatch(root)
    points = points_at(tmp_path)
    with clocks_of(HIKEY, root=root.path, state_dir=Path("/var/lib/ilgov")) as clocks:
        places = places_of(HIKEY, clocks)
        measure(clocks, SUBJECT, places, points, seconds=1.0, stopwatch=stopwatch)
    wanted = {str(hz // 1000) for cluster in HIKEY.clusters for hz in cluster.freqs_hz}
    assert wanted == stopwatch.clocks
    assert 2 * 64 == len(stopwatch.asked)
    assert before == root.snapshot()
    capability = measured_capability(HIKEY, SUBJECT, places, points)
    check_capability(HIKEY, capability)
    assert "measured" == capability.origin


def test_what_is_measured_is_not_measured_again(tmp_path: Path) -> None:
    """A profile that was interrupted goes on where it was."""
    clocks = Clocks(HIKEY, tmp_path, "no cpufreq")
    places = places_of(HIKEY, clocks)
    first = FakeStopwatch()
    measure(clocks, SUBJECT, places[:3], points_at(tmp_path), seconds=1.0, stopwatch=first)
    second = FakeStopwatch()
    measure(clocks, SUBJECT, places, points_at(tmp_path), seconds=1.0, stopwatch=second)
    assert 2 * 3 == len(first.asked)
    assert 2 * 5 == len(second.asked)
    assert not [asked for asked in second.asked if asked in first.asked]


def test_without_cpufreq_each_cluster_has_one_frequency_its_highest(tmp_path: Path) -> None:
    """Which is said aloud, as nobody can know it."""
    clocks = Clocks(HIKEY, tmp_path, "why")
    found = {(place.unit, place.freq_hz) for place in places_of(HIKEY, clocks)}
    assert {("little", 1_844_000_000), ("big", 2_362_000_000)} == found


def test_a_cpufreq_that_cannot_be_written_gives_the_present_frequency(tmp_path: Path) -> None:
    """The nearest operating point."""
    root = FakeRoot(tmp_path / "root")
    root.write(f"{CPUFREQ}/policy4/scaling_cur_freq", "1208999")
    found = places_of(HIKEY, Clocks(HIKEY, root.path, "why"))
    big = {place.freq_hz for place in found if place.unit == "big"}
    assert 1 == len(big)
    assert big <= set(HIKEY.clusters[1].freqs_hz)


def test_power_without_a_sensor_is_the_boards_models_and_says_so(tmp_path: Path) -> None:
    """The same watts as in the modelled capability; times and memory are the device's."""
    clocks = Clocks(HIKEY, tmp_path, "why")
    places, points = places_of(HIKEY, clocks), points_at(tmp_path)
    measure(clocks, SUBJECT, places, points, seconds=1.0, stopwatch=FakeStopwatch())
    capability = measured_capability(HIKEY, SUBJECT, places, points)
    modelled = modelled_capability(HIKEY, WORKS, TRAINING.curve)
    column = modelled.places.index(places[-1])
    assert "modelled" == capability.power_origin
    assert modelled.mean_w[1][column] == capability.mean_w[1][-1]
    assert 1e-3 / 4 == capability.sample_s[0][-1]
    assert 300_000_004 == capability.settings[0].memory_bytes
    assert WORKS[0].traffic_bytes / WORKS[0].batch == capability.bytes_per_sample[0]


def test_power_of_a_sensor_is_taken_only_where_it_was_seen_everywhere(tmp_path: Path) -> None:
    """A table of measured and modelled watts would compare what cannot be compared."""
    clocks = Clocks(HIKEY, tmp_path, "why")
    places, points = places_of(HIKEY, clocks)[:1], points_at(tmp_path)
    silent = PowerSensor("silent", lambda: 0.0, counts_energy=False)
    measure(clocks, SUBJECT, places, points, seconds=1.0, stopwatch=FakeStopwatch(), sensor=silent)
    assert "modelled" == measured_capability(HIKEY, SUBJECT, places, points).power_origin


def test_the_users_own_loop_is_taken_to_compute_all_the_time(tmp_path: Path) -> None:
    """Nobody knows its FLOPs: power is that of busy cores, traffic what it holds, twice."""
    subject = Subject(worker="mine:step", settings=({"batch": 8.0},))
    clocks = Clocks(HIKEY, tmp_path, "why")
    places, points = places_of(HIKEY, clocks), points_at(tmp_path)
    measure(clocks, subject, places, points, seconds=1.0, stopwatch=FakeStopwatch())
    capability = measured_capability(HIKEY, subject, places, points)
    check_capability(HIKEY, capability)
    top = HIKEY.clusters[1].opps[-1]
    assert pytest.approx(4 * top.core_busy_w + top.cluster_busy_w) == capability.peak_w[0][-1]
    assert (2 * 8_000_000 / 8.0,) == capability.bytes_per_sample
    assert capability.curve is None


def test_a_capability_is_written_in_four_digits() -> None:
    """So that it fits into the daemon's longest line; the planner needs no more."""
    modelled = modelled_capability(HIKEY, WORKS, TRAINING.curve)
    for exact, short in zip(modelled.sample_s[0], rounded(modelled).sample_s[0], strict=True):
        assert pytest.approx(exact, rel=5e-4) == short
        assert len(f"{short:.10g}".replace(".", "").lstrip("0").split("e")[0]) <= 4
