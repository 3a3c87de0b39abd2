"""Tests of the daemon on a real kernel: a board that is too hot."""

import pytest

from tests.rig.guest import Setup
from tests.rig.guest_hot import HOT
from tests.rig.places import Build
from tests.rig.programs import ProgramEnded, run_programs

pytestmark = pytest.mark.rig

TIMEOUT_S = 600.0
PROGRAM = "guest_hot"


@pytest.fixture(scope="module")
def ended(build: Build, without_pmu: Setup) -> ProgramEnded:
    """One boot for all of them."""
    words = {PROGRAM: ["python3", "-m", f"tests.rig.{PROGRAM}"]}
    return run_programs(without_pmu, build, words, timeout_s=TIMEOUT_S)[PROGRAM]


@pytest.mark.parametrize("check", HOT.names)
def test_on_a_hot_board(ended: ProgramEnded, check: str) -> None:
    """Each is a function of that name in `guest_hot`."""
    assert check in ended.report, ended.output
    assert "" == ended.report[check]["wrong"]
