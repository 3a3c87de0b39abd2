"""HotSpot's files of temperatures, written and read again."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from platforms.errors import InvalidInput
from platforms.floorplan.temperature_files import (
    TraceWriter,
    read_steady,
    read_ttrace,
    write_steady,
)

Write = Callable[[str, str], Path]
NAMES = ("a", "iface_a", "inode_0")


def test_a_field_of_temperatures_comes_back(tmp_path: Path) -> None:
    """Two decimals, a node a line; the order in the file does not matter."""
    path = tmp_path / "a.steady"
    write_steady(path, NAMES, np.array([320.126, 319.0, 310.5]))
    assert "a\t320.13\niface_a\t319.00\ninode_0\t310.50\n" == path.read_text()
    assert [320.13, 319.0, 310.5] == list(read_steady(path, NAMES))
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    assert [320.13, 319.0, 310.5] == list(read_steady(path, NAMES))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 320\niface_a 310\n", ": must hold every node of the network .missing: inode_0"),
        ("a 320\na 320\n", ", line 2, column 1: must name each node once"),
        ("b 320\n", ", line 1, column 1: must name a node of the floorplan's network .got 'b'"),
        ("a 45.2\n", ", line 1, column 2: temperature must be in kelvin.*got 45.2.*Celsius"),
        ("a warm\n", ", line 1, column 2: temperature must be a number"),
        ("a\n", ", line 1: must be: node temperature .got 1 columns"),
        ("a 320\niface_a 31", ", line 2: must end with a line break"),
    ],
)
def test_a_wrong_field_is_refused(write: Write, text: str, message: str) -> None:
    """Truncated, of another floorplan, or in degrees Celsius."""
    with pytest.raises(InvalidInput, match=rf"bad\.steady{message}"):
        read_steady(write("bad.steady", text), NAMES)


def test_a_trace_of_temperatures_comes_back(tmp_path: Path) -> None:
    """The names, then a row for each step."""
    path = tmp_path / "a.ttrace"
    with path.open("w") as handle:
        TraceWriter(handle, ("a", "b")).write(np.array([[300.0, 301.005], [302.0, 303.0]]))
    names, rows = read_ttrace(path)
    assert ("a", "b") == names
    assert [[300.0, 301.0], [302.0, 303.0]] == [pytest.approx(row, abs=0.006) for row in rows]


@pytest.mark.parametrize("hottest_k", [340.0, 900.0, 1e12])
def test_a_trace_has_two_decimals_however_hot_it_is(hottest_k: float) -> None:
    """The fast way, for temperatures near each other, writes what formatting each would."""
    temp_k = np.linspace(300.123, hottest_k, 600).reshape(200, 3)
    out = io.StringIO()
    TraceWriter(out, ("a", "b", "c")).write(temp_k)
    expected = ["\t".join(f"{value:.2f}" for value in row) for row in temp_k.tolist()]
    assert ["a\tb\tc", *expected] == out.getvalue().splitlines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": must begin with the blocks' names"),
        ("a b\n300\n", ", line 2: must have 2 columns, as the first line .got 1"),
        ("a b\n300 45\n", ", line 2, column 2: temperature must be in kelvin"),
    ],
)
def test_a_wrong_trace_of_temperatures_is_refused(write: Write, text: str, message: str) -> None:
    """With its place."""
    with pytest.raises(InvalidInput, match=rf"bad\.ttrace{message}"):
        list(read_ttrace(write("bad.ttrace", text))[1])
