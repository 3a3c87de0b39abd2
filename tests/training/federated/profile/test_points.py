"""What was measured is kept: an interrupted profile goes on."""

from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from rm.planner.capability import Place
from training.federated.profile.points import Head, Point, Points
from training.federated.profile.stopwatch import Timed

HEAD = Head(worker="tiny-4", board="two-cores", seconds=1.0)
PLACE = Place(unit="little", cores=1, freq_hz=1_844_000_000)
TIMED = Timed(
    wall_s=1e-3, cpu_s=1e-3, steps=9, resident_bytes=1, allocated_bytes=1, undisturbed=1.0
)


def test_points_are_there_again_and_a_line_that_was_cut_off_is_not(tmp_path: Path) -> None:
    """As after a power cut in mid write; what is added then is whole."""
    path = tmp_path / "out.points.jsonl"
    points = Points(path, HEAD)
    points.add(Point(knobs={"batch": 4}, place=PLACE, timed=TIMED))
    points.add(Point(knobs={"batch": 8}, place=PLACE, timed=TIMED))
    path.write_bytes(path.read_bytes()[:-20])

    again = Points(path, HEAD)
    assert 1 == len(again)
    assert again.find({"batch": 4.0}, PLACE) is not None
    assert again.find({"batch": 8.0}, PLACE) is None
    again.add(Point(knobs={"batch": 8}, place=PLACE, timed=TIMED))
    assert 2 == len(Points(path, HEAD))


def test_points_of_another_profile_are_refused(tmp_path: Path) -> None:
    """Nothing of two boards is mixed."""
    path = tmp_path / "out.points.jsonl"
    Points(path, HEAD)
    other = Head(worker="tiny-4", board="hikey970", seconds=1.0)
    with pytest.raises(InvalidInput, match="must be of tiny-4 on hikey970, 1 s a point"):
        Points(path, other)
    path.write_text("nonsense\n")
    with pytest.raises(InvalidInput, match="must be points of a profile"):
        Points(path, HEAD)
