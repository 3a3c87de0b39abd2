"""Tests on a real kernel: a training job is held to its grant, and put back whatever happens."""

import pytest

from tests.rig.guest import Setup
from tests.rig.guest_confinement import CHECKS
from tests.rig.places import Build
from tests.rig.programs import ProgramEnded, run_programs

pytestmark = pytest.mark.rig

TIMEOUT_S = 300.0
PROGRAM = "guest_confinement"


@pytest.fixture(scope="module")
def ended(build: Build, without_pmu: Setup) -> ProgramEnded:
    """One boot for all of them."""
    words = {PROGRAM: ["python3", "-m", f"tests.rig.{PROGRAM}"]}
    return run_programs(without_pmu, build, words, timeout_s=TIMEOUT_S)[PROGRAM]


@pytest.mark.parametrize("check", CHECKS.names)
def test_a_job_is_held_to_its_grant_and_put_back(ended: ProgramEnded, check: str) -> None:
    """Each is a function of that name in `guest_confinement`."""
    assert check in ended.report, ended.output
    assert "" == ended.report[check]["wrong"]
