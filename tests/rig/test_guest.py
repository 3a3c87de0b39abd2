"""Tests of the guest: its kernel is real, and has what the daemon is tested with."""

from collections.abc import Mapping

import pytest

from tests.rig.guest import Setup
from tests.rig.guest_check import CHECKS
from tests.rig.places import Build
from tests.rig.programs import ProgramEnded, run_programs

pytestmark = pytest.mark.rig

TIMEOUT_S = 180.0

PROGRAMS = ("guest_check", "guest_probe", "guest_counters")
"""Modules in this folder that run in the guest and exit with 0 when all is well."""


@pytest.fixture(scope="module")
def ended(build: Build, with_pmu: Setup) -> Mapping[str, ProgramEnded]:
    """One boot for all of them."""
    words = {name: ["python3", "-m", f"tests.rig.{name}"] for name in PROGRAMS}
    return run_programs(with_pmu, build, words, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("check", CHECKS.names)
def test_the_kernel_has_what_a_governor_needs(
    ended: Mapping[str, ProgramEnded], check: str
) -> None:
    """Each check is a function of that name in `guest_check`."""
    assert "" == ended["guest_check"].report[check]["wrong"]


@pytest.mark.parametrize("program", PROGRAMS[1:])
def test_a_program_finds_all_well_in_the_guest(
    ended: Mapping[str, ProgramEnded], program: str
) -> None:
    """It says what it saw; shown here where it ends with another code."""
    assert 0 == ended[program].exit_code, ended[program].output
