"""Tests of the daemon on a real kernel: the closed loop against the kernel's own governor."""

from typing import Any

import pytest

from tests.rig.guest import Setup
from tests.rig.places import Build
from tests.rig.programs import run_programs

pytestmark = pytest.mark.rig

TIMEOUT_S = 600.0
COOLER_K = 5.0
"""What the daemon must gain on the kernel's own governor, in kelvins."""

MET_SHARE = 0.97
"""A target is met at this share of it: rates are counted over a few seconds."""

PROGRAM = "guest_closed_loop"


@pytest.fixture(scope="module")
def loop(build: Build, without_pmu: Setup) -> dict[str, Any]:
    """What the program reports."""
    words = {PROGRAM: ["python3", "-m", f"tests.rig.{PROGRAM}"]}
    ended = run_programs(without_pmu, build, words, timeout_s=TIMEOUT_S)[PROGRAM]
    assert 0 == ended.exit_code, ended.output
    return ended.report


def test_the_board_stays_cooler_than_under_schedutil(loop: dict[str, Any]) -> None:
    """Same programs, same plant: means of the hottest node over the last seconds."""
    gained_k = loop["schedutil"]["hottest_c"] - loop["ilgov"]["hottest_c"]
    assert gained_k >= COOLER_K, loop


def test_every_target_is_met(loop: dict[str, Any]) -> None:
    """By the programs' own count of heartbeats."""
    for name, target in loop["targets"].items():
        assert loop["rates_under_ilgov"][name] >= MET_SHARE * target, loop


def test_the_daemon_moves_programs_and_sets_clocks(loop: dict[str, Any]) -> None:
    """One of the two belongs onto a little core, and neither needs the highest clock."""
    assert loop["ilgov"]["migrations"] >= 1, loop
    assert loop["ilgov"]["clocks_mhz"][1] < 1800, loop


def test_after_sigterm_every_knob_reads_as_before(loop: dict[str, Any]) -> None:
    """All cpufreq files, and the affinity of all threads of the programs."""
    assert {} == loop["not_as_before"]
    assert 0 == loop["ilgov"]["exit_code"], loop
