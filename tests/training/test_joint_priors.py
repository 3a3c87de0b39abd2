"""Tests of what the training applications have in common."""

from msgspec.structs import replace

from platforms.application import CoreProfile
from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from training.joint.priors import measured_priors

BOARD = load_board("hikey970")


def test_a_program_that_stalls_on_one_core_type_alone_tells_nothing_of_stalls() -> None:
    """Fits make such programs: a ratio of nothing to something would spoil the mean of all."""
    cbench = [p for p in shipped_applications().values() if p.suite == "cbench"]
    odd = replace(
        cbench[1],
        core_profiles={
            "cortex-a73": CoreProfile(cpi=0.7, stall_s=1e-16),
            "cortex-a53": CoreProfile(cpi=1.1, stall_s=0.0),
        },
    )
    without = measured_priors(BOARD, [p for p in cbench if p is not cbench[1]])
    found = measured_priors(BOARD, [odd if p is cbench[1] else p for p in cbench])
    assert without.stalls == found.stalls
    assert without.memory_per_stall == found.memory_per_stall
