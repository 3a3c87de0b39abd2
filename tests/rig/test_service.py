"""Tests of the daemon as a service: the real unit, a real systemd, real knobs."""

from collections.abc import Mapping

import pytest

from tests.rig.guest import Setup
from tests.rig.guest_sandboxed import CHECKS as SANDBOXED
from tests.rig.guest_service import SERVICE
from tests.rig.places import Build
from tests.rig.programs import ProgramEnded, run_programs

pytestmark = pytest.mark.rig

TIMEOUT_S = 600.0
PROGRAM, SANDBOX = "guest_service", "guest_sandboxed"


@pytest.fixture(scope="module")
def ended(build: Build, with_systemd: Setup) -> Mapping[str, ProgramEnded]:
    """One boot for all of them."""
    words = {name: ["python3", "-m", f"tests.rig.{name}"] for name in (PROGRAM, SANDBOX)}
    return run_programs(with_systemd, build, words, timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("check", SERVICE.names)
def test_under_systemd(ended: Mapping[str, ProgramEnded], check: str) -> None:
    """Each is a function of that name in `guest_service`."""
    assert check in ended[PROGRAM].report, ended[PROGRAM].output
    assert "" == ended[PROGRAM].report[check]["wrong"]


@pytest.mark.parametrize("check", SANDBOXED.names)
def test_its_sandbox_lets_training_jobs_be_confined(
    ended: Mapping[str, ProgramEnded], check: str
) -> None:
    """Each is a function of that name in `guest_sandboxed`."""
    assert check in ended[SANDBOX].report, ended[SANDBOX].output
    assert "" == ended[SANDBOX].report[check]["wrong"]
