"""Tests of the few instructions that keep an emulated core busy."""

from tests.rig.spin import spin_code

CONDITIONAL, ALWAYS = 0x54, 0x05


def targets() -> list[int]:
    """Where the code's jumps lead: instruction numbers, in the order of the jumps."""
    found = []
    for number, word in enumerate(spin_code()):
        if word >> 24 == CONDITIONAL:
            found.append(number + signed(word >> 5 & 0x7_FFFF, bits=19))
        elif word >> 26 == ALWAYS:
            found.append(number + signed(word & 0x3FF_FFFF, bits=26))
    return found


def signed(value: int, *, bits: int) -> int:
    """A number in two's complement."""
    return value - (1 << bits) if value >> (bits - 1) else value


def test_the_jumps_lead_out_round_the_inner_loop_and_back_to_the_clock() -> None:
    """Out: to the return at the end. Inner loop: to the first no-operation after its counter."""
    assert [len(spin_code()) - 1, 4, 0] == targets()
