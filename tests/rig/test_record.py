"""Tests of recording on a real kernel: what is visited, and what is left after any end."""

import pytest

from tests.rig.guest import Setup
from tests.rig.guest_record import CHECKS
from tests.rig.places import Build
from tests.rig.programs import ProgramEnded, run_programs

pytestmark = pytest.mark.rig

TIMEOUT_S = 600.0
PROGRAM = "guest_record"


@pytest.fixture(scope="module")
def ended(build: Build, with_pmu: Setup) -> ProgramEnded:
    """One boot for all of them."""
    words = {PROGRAM: ["python3", "-m", f"tests.rig.{PROGRAM}"]}
    return run_programs(with_pmu, build, words, timeout_s=TIMEOUT_S)[PROGRAM]


@pytest.mark.parametrize("check", CHECKS.names)
def test_a_recording_on_a_real_kernel(ended: ProgramEnded, check: str) -> None:
    """Each is a function of that name in `guest_record`."""
    assert check in ended.report, ended.output
    assert "" == ended.report[check]["wrong"]
