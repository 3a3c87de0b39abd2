"""Tests of what the daemon says of itself, made of what its parts say."""

from pathlib import Path
from typing import cast

from hypothesis import given
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from platforms.linux.applications.followed_application import ReadApplication
from platforms.linux.managed import ManagedProcess, ProcessKey, RateUnit, Target
from platforms.platform import TemperatureReading
from rm.daemon.opened_board import OpenedBoard
from rm.daemon.status import ApplicationStatus
from rm.daemon.status_report import (
    NEARLY,
    application_status,
    backend_status,
    cluster_statuses,
    core_statuses,
    temperature_statuses,
)
from tests.platforms.linux.living_board import LivingBoard
from tests.rm.readings import observation

READ = ReadApplication(7, "video", 2e9, 1.9e9, 1e7, (4, 5), 2, 29.0, "counters")


def managed(unit: RateUnit = "instructions/s", value: float = 2e9) -> ManagedProcess:
    """An application with this target."""
    return ManagedProcess(
        id=7, name="video", key=ProcessKey(100, 5), target=Target(value, unit), priority=3
    )


def opened(living: LivingBoard) -> OpenedBoard:
    """A board with what the reports look at."""
    return cast(OpenedBoard, _Opened(living))


class _Opened:
    def __init__(self, living: LivingBoard) -> None:
        self.platform = living.board


# --- applications -------------------------------------------------------------------------------


def test_rate_and_target_are_in_the_targets_own_unit() -> None:
    """Who asked for heartbeats is told heartbeats."""
    in_beats = application_status(managed("heartbeats/s", 30.0), READ)
    assert (29.0, 30.0, "heartbeats/s") == (in_beats.rate, in_beats.target, in_beats.unit)
    counted = application_status(managed(), READ)
    assert (1.9e9, 2e9, "instructions/s") == (counted.rate, counted.target, counted.unit)


def test_an_application_that_was_not_looked_at_yet_is_there() -> None:
    """Without a rate, met or not is not known."""
    expected = ApplicationStatus(
        id=7,
        name="video",
        pid=100,
        source="configuration",
        priority=3,
        threads=0,
        cores=(),
        rate=None,
        target=2e9,
        unit="instructions/s",
        met=None,
        measured_by="nothing yet",
    )
    assert expected == application_status(managed(), None)


@given(rate_ips=st.floats(0.0, 4e9))
def test_a_target_is_met_from_98_percent_on(rate_ips: float) -> None:
    """Rates are measured, not exact."""
    shown = application_status(managed(), replace(READ, rate_ips=rate_ips))
    assert (rate_ips >= NEARLY * 2e9) == shown.met


def test_a_rate_that_is_not_known_is_neither_met_nor_missed() -> None:
    """A newcomer's, or where nothing measures it."""
    shown = application_status(managed(), replace(READ, rate_ips=None))
    assert (None, None, (4, 5)) == (shown.rate, shown.met, shown.cores)


# --- the board ----------------------------------------------------------------------------------


def test_before_the_first_round_there_is_a_status(tmp_path: Path) -> None:
    """Of what is known without looking."""
    with LivingBoard(tmp_path) as living:
        board = opened(living)
        assert [] == list(cluster_statuses(board))
        assert [0.0] * 8 == [core.utilisation for core in core_statuses(board, None)]
        (shown,) = temperature_statuses(board, None, now_s=5.0, problems={})
        assert ("cls0", None, None, None) == (
            shown.sensor,
            shown.temp_c,
            shown.age_s,
            shown.problem,
        )


def test_cores_and_clusters_are_as_of_the_last_observation(tmp_path: Path) -> None:
    """With what is unplugged and what is asked for."""
    with LivingBoard(tmp_path) as living:
        living.board.take()
        living.clusters.set((1, 2))
        living.root.unplug(3)
        living.clock.busy = {5: 1.0}
        living.live(1.0)
        seen = living.board.observe()
        board = opened(living)
        cores = list(core_statuses(board, seen))
        assert [3] == [core.core for core in cores if not core.online]
        assert ["little"] * 4 + ["big"] * 4 == [core.cluster for core in cores]
        assert 1.0 == cores[5].utilisation
        little, big = cluster_statuses(board)
        freqs = [cluster.freqs_hz for cluster in living.board.board.clusters]
        assert (freqs[0][1], freqs[0][1], freqs[0][-1]) == (
            little.freq_hz,
            little.asked_hz,
            little.cap_hz,
        )
        assert (freqs[1][2], (4, 5, 6, 7)) == (big.freq_hz, big.cores)


def test_a_temperature_is_as_old_as_at_the_answer(tmp_path: Path) -> None:
    """Its age at the observation, and what has passed since."""
    with LivingBoard(tmp_path) as living:
        seen = replace(
            observation(time_s=10.0), temperatures=(TemperatureReading("cls0", 50.0, 0.25),)
        )
        (shown,) = temperature_statuses(
            opened(living), seen, now_s=12.0, problems={"cls0": "sensor cls0 must"}
        )
        assert (50.0, 2.25, "sensor cls0 must") == (shown.temp_c, shown.age_s, shown.problem)


def test_a_sensor_without_a_reading_is_shown_without_one(tmp_path: Path) -> None:
    """It is not left out: that it is missing is what one wants to see."""
    with LivingBoard(tmp_path) as living:
        seen = replace(observation(), temperatures=())
        (shown,) = temperature_statuses(opened(living), seen, now_s=2.0, problems={})
        assert (None, None) == (shown.temp_c, shown.age_s)


# --- the back end -------------------------------------------------------------------------------


def test_a_policy_without_a_network_has_no_back_end() -> None:
    """Null in JSON."""
    assert backend_status(None) is None
    assert b"null" == json.encode(backend_status(None))


def test_what_gives_way_says_how_much_of_its_target_counts() -> None:
    """The target itself stays what was asked for."""
    shown = application_status(managed(), READ, {7: 0.4})
    assert (0.4, managed().target.value) == (shown.counted, shown.target)
    assert 1.0 == application_status(managed(), READ, {8: 0.4}).counted
