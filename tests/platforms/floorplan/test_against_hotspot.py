"""HotSpot 7's own outputs, by the command, from its files as they are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parents[4] / "shared" / "data" / "hotspot"

ROUNDING_K = 0.005
"""HotSpot writes two decimals."""
RUNGE_KUTTA_K = 0.01
"""What its integrator tolerates in a step."""

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"HotSpot's outputs are not here: no folder {DATA}"
)


def inputs(kind: str) -> list[Any]:
    """The options for the server package (``gcc``) or the phone's (``phone``)."""
    config = {"gcc": "example.config", "phone": "phone.config"}[kind]
    files = {"--flp": "ev6.flp", "--config": config, "--materials": "example.materials"}
    words = [word for option, name in files.items() for word in (option, DATA / name)]
    return [*words, "--ptrace", DATA / f"{kind}.ptrace"]


def field(path: Path) -> dict[str, float]:
    """The nodes of a file of steady temperatures."""
    return {name: float(value) for name, value in map(str.split, path.read_text().splitlines())}


@pytest.mark.parametrize("kind", ["gcc", "phone"])
def test_steady_temperatures_of_all_nodes_are_hotspots(
    ilgov: Callable[..., Any], tmp_path: Path, kind: str
) -> None:
    """Blocks, interface, spreader and sink, in HotSpot's order; up to a last digit's rounding."""
    out = tmp_path / "out.steady"
    assert 0 == ilgov("board", "from-floorplan", *inputs(kind), "--steady", out).code
    theirs, ours = field(DATA / f"{kind}.steady"), field(out)
    assert list(theirs) == list(ours)
    gap = max(abs(ours[name] - theirs[name]) for name in theirs)
    assert gap <= 2 * ROUNDING_K + 1e-9


@pytest.mark.parametrize("name", ["gcc_cold", "gcc_warm", "phone_cold"])
def test_temperatures_over_time_are_hotspots(
    ilgov: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    """Every block at the end of every step, from the ambient or from a steady state."""
    out, kind = tmp_path / "out.ttrace", name.split("_", maxsplit=1)[0]
    start = ["--init", DATA / "gcc.steady"] if name == "gcc_warm" else []
    done = ilgov("board", "from-floorplan", *inputs(kind), *start, "--ttrace", out)
    assert 0 == done.code
    theirs_path = DATA / f"{name}.ttrace"
    assert theirs_path.read_text().splitlines()[0] == out.read_text().splitlines()[0]
    theirs, ours = (np.loadtxt(path, skiprows=1) for path in (theirs_path, out))
    assert theirs.shape == ours.shape
    assert np.abs(ours - theirs).max() <= 2 * ROUNDING_K + RUNGE_KUTTA_K
