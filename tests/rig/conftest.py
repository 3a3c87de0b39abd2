"""What the tests of the rig share: the built guest, or the reason why there is none."""

import sys

import pytest

from platforms.board_file import load_board
from tests.rig.debian import RigUnavailable, install_host_packages
from tests.rig.guest import Setup
from tests.rig.guest_build import ensure_built
from tests.rig.places import RIG, Build, chosen_build


@pytest.fixture(scope="session")
def build() -> Build:
    """The guest, built where it is not yet; skipped, aloud, where QEMU cannot be had."""
    found = chosen_build()
    try:
        install_host_packages()
    except RigUnavailable as reason:
        print(f"\nTHE RIG CANNOT RUN HERE: {reason}", file=sys.__stderr__)  # past the capture
        pytest.skip(f"the rig cannot run here: {reason}")
    ensure_built(found)
    return found


@pytest.fixture(scope="session")
def with_pmu() -> Setup:
    """The board with hardware counters, whose values mean nothing."""
    return Setup(load_board(str(RIG / "boards" / "rig44.toml")))


@pytest.fixture(scope="session")
def without_pmu() -> Setup:
    """The board without hardware counters: the daemon goes by heartbeats."""
    return Setup(load_board(str(RIG / "boards" / "rig44.toml")), pmu=False)


@pytest.fixture(scope="session")
def with_systemd() -> Setup:
    """The same, with systemd as the first process."""
    return Setup(load_board(str(RIG / "boards" / "rig44.toml")), pmu=False, systemd=True)
