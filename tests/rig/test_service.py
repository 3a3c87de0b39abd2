"""Tests of the daemon as a service: the real unit, a real systemd, real knobs."""

import pytest

from tests.rig.guest import Setup
from tests.rig.guest_service import SERVICE
from tests.rig.places import Build
from tests.rig.programs import ProgramEnded, run_programs

pytestmark = pytest.mark.rig

TIMEOUT_S = 600.0
PROGRAM = "guest_service"


@pytest.fixture(scope="module")
def ended(build: Build, with_systemd: Setup) -> ProgramEnded:
    """One boot for all of them."""
    words = {PROGRAM: ["python3", "-m", f"tests.rig.{PROGRAM}"]}
    return run_programs(with_systemd, build, words, timeout_s=TIMEOUT_S)[PROGRAM]


@pytest.mark.parametrize("check", SERVICE.names)
def test_under_systemd(ended: ProgramEnded, check: str) -> None:
    """Each is a function of that name in `guest_service`."""
    assert check in ended.report, ended.output
    assert "" == ended.report[check]["wrong"]
