"""Floorplan files: what is read, and what is refused with its place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from platforms.floorplan.flp_file import read_flp
from tests.platforms.floorplan.conftest import FLP

Write = Callable[[str, str], Path]


def test_blocks_are_read_in_the_files_order_and_moved_to_the_origin(write: Write) -> None:
    """Comments, empty lines and Windows line ends do not matter, nor where the chip lies."""
    text = FLP.replace("\t0.000\t0.000", "\t-0.001\t0.5").replace("\t0.002\t0.000", "\t0.001\t0.5")
    text = text.replace("\t0.000\t0.002\n", "\t-0.001\t0.502\n\n").replace("\n", "\r\n")
    plan = read_flp(write("a.flp", text))
    assert ("core0", "core1", "cache") == plan.names
    assert [0.0, 0.002, 0.0] == pytest.approx([block.left_m for block in plan.blocks])
    assert [0.0, 0.0, 0.002] == pytest.approx([block.bottom_m for block in plan.blocks])
    assert (0.004, 0.005) == pytest.approx((plan.width_m, plan.height_m))
    assert 0 == pytest.approx(plan.gap_share, abs=1e-9)


def test_columns_and_lines_that_the_block_model_does_not_use_are_passed_over(write: Write) -> None:
    """Specific heat and resistivity, and the density of wires between blocks."""
    text = FLP.replace("core0\t0.002\t0.002\t0.000\t0.000", "core0 .002 .002 0 0 1.75e6 0.01")
    plan = read_flp(write("a.flp", text + "core0 core1 3.5\n"))
    assert read_flp(write("b.flp", FLP)) == plan


def test_touching_blocks_share_the_length_of_their_common_edge(write: Write) -> None:
    """Side by side and above one another, with a rounding gap below 1 um."""
    plan = read_flp(write("a.flp", FLP.replace("0.002\t0.002\t0.002", "0.002\t0.002\t0.0020004")))
    side, stacked = plan.contacts
    assert 0.002 == pytest.approx(side[0, 1])
    assert 0.002 == pytest.approx(stacked[0, 2])
    assert 0 == side[0, 2] == stacked[0, 1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core1\t0.002\t0.002\t", "core1\t2\t2\t", "line 3, column 2: width must be in metres"),
        ("core1\t0.002", "core1\t0", "line 3, column 2: width must be in metres, above 1e-06"),
        ("core1\t0.002", "core1\t-0.002", "line 3, column 2: width .*got -0.002"),
        ("\t0.002\t0.000\n", "\t2\t0.000\n", "line 3, column 4: left must be in metres"),
        ("core1\t0.002", "core1\twide", "line 3, column 2: width must be a number .got 'wide'"),
        ("core1\t0.002", "core1\tnan", "line 3, column 2: width must be a number"),
        ("core1\t0.002", "core1\t1_0", "line 3, column 2: width must be a number"),
        ("core1", "CORE0", "line 3, column 1: name must be unique.*'CORE0' as line 2"),
        ("\t0.002\t0.000\n", "\t0.001\t0.000\n", "line 3: block 'core1' must not overlap 'core0'"),
        ("\t0.002\t0.000\n", "\t0.002\n", "line 3: must be: name width .*got 4 columns"),
        ("\t0.002\t0.000\n", "\t0.002\t0\t7\n", "line 3: must be: name width .*got 6 columns"),
        ("\t0.002\t0.002\t0.002\t0.000\n", "\t0.002\t9\n", "line 3, column 1: a line of three"),
        ("\t0.002\n", "\t0.002", "line 4: must end with a line break"),
        ("# name", "\0# name", "line 1: must be text"),
    ],
)
def test_a_wrong_floorplan_is_refused_with_file_line_and_column(
    write: Write, old: str, new: str, message: str
) -> None:
    """Units, numbers, names, overlaps, and files that were cut."""
    assert old in FLP
    path = write("bad.flp", FLP.replace(old, new, 1) if old[-1] != "\n" else _last(FLP, old, new))
    with pytest.raises(InvalidInput, match=rf"bad\.flp, {message}"):
        read_flp(path)


def _last(text: str, old: str, new: str) -> str:
    """The last occurrence replaced."""
    return new.join(text.rsplit(old, 1))


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n"])
def test_a_floorplan_without_blocks_is_refused(write: Write, text: str) -> None:
    """There is nothing to model."""
    with pytest.raises(InvalidInput, match=r"must hold 1 to 1000 blocks \(got 0\)"):
        read_flp(write("empty.flp", text))


def test_a_floorplan_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    """With the file's name, not a traceback."""
    with pytest.raises(InvalidInput, match=r"none\.flp: cannot be read"):
        read_flp(tmp_path / "none.flp")
    (tmp_path / "binary.flp").write_bytes(b"\xff\xfe\n")
    with pytest.raises(InvalidInput, match=r"binary\.flp, line 1: must be text"):
        read_flp(tmp_path / "binary.flp")
    (tmp_path / "long.flp").write_bytes(b"a" * (1 << 21))
    with pytest.raises(InvalidInput, match="must be shorter than"):
        read_flp(tmp_path / "long.flp")
