"""Tests of training jobs on a real kernel: a plain loop and a Flower SuperNode, governed, killed.

``make rig-training`` runs them: they take minutes.
"""

import pytest

from platforms.board_file import load_board
from tests.rig.guest import Setup
from tests.rig.guest_flower import FLOWER
from tests.rig.guest_training import TRAINING
from tests.rig.places import RIG, Build
from tests.rig.programs import ProgramEnded, run_programs
from tests.rig.training_site import training_setup

pytestmark = [pytest.mark.rig, pytest.mark.rig_training]

TIMEOUT_S = 3600.0
LOOP, FLOWERS = "guest_training", "guest_flower"


@pytest.fixture(scope="module")
def with_training(build: Build, request: pytest.FixtureRequest) -> Setup:
    """A guest with PyTorch and Flower; skipped unless these tests are asked for by their marker."""
    if "rig_training" not in request.config.getoption("markexpr"):
        pytest.skip("minutes: make rig-training")
    return training_setup(load_board(str(RIG / "boards" / "rig44.toml")), build)


@pytest.fixture(scope="module")
def loop(build: Build, with_training: Setup) -> ProgramEnded:
    """A plain PyTorch loop."""
    return _ended(build, with_training, LOOP)


@pytest.fixture(scope="module")
def flower(build: Build, with_training: Setup) -> ProgramEnded:
    """A Flower SuperNode."""
    return _ended(build, with_training, FLOWERS)


def _ended(build: Build, setup: Setup, name: str) -> ProgramEnded:
    words = ["sh", "tests/rig/with_training.sh", "python3", "-m", f"tests.rig.{name}"]
    return run_programs(setup, build, {name: words}, timeout_s=TIMEOUT_S)[name]


@pytest.mark.parametrize("check", TRAINING.names)
def test_a_training_loop_is_governed(loop: ProgramEnded, check: str) -> None:
    """Each is a function of that name in `guest_training` or `training_checks`."""
    assert check in loop.report, loop.output
    assert "" == loop.report[check]["wrong"]


@pytest.mark.parametrize("check", FLOWER.names)
def test_a_supernode_is_governed(flower: ProgramEnded, check: str) -> None:
    """Each is a function of that name in `guest_flower` or `training_checks`."""
    assert check in flower.report, flower.output
    assert "" == flower.report[check]["wrong"]
