"""What the probe's tests add to a `FakeRoot`: a device tree, and a kernel that shows less."""

import shutil
import struct
from collections.abc import Mapping
from pathlib import Path

from platforms.board import Board
from platforms.board_file import load_board
from platforms.linux.probe.probe import Probe, probe
from tests.platforms.linux.fake_root import FakeRoot

DEBUGFS = ("sys/kernel/debug/opp", "sys/kernel/debug/energy_model")
BASE = "sys/firmware/devicetree/base"


def fake_board(path: Path, name: str) -> FakeRoot:
    """A shipped board with a thermal zone for each of its sensors."""
    return FakeRoot(path, name, zones=[sensor.name for sensor in load_board(name).sensors])


def set_cells(root: FakeRoot, node: str, **properties: int | tuple[int, ...]) -> None:
    """Give a node of the device tree properties of cells; ``_`` in names stands for ``-``."""
    folder = root.path / BASE / node
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in properties.items():
        numbers = (value,) if isinstance(value, int) else value
        packed = struct.pack(f">{len(numbers)}I", *numbers)
        (folder / name.replace("_", "-")).write_bytes(packed)


def set_strings(root: FakeRoot, node: str, **properties: str) -> None:
    """Give a node of the device tree properties of one string each."""
    folder = root.path / BASE / node
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in properties.items():
        (folder / name.replace("_", "-")).write_bytes(text.encode() + b"\0")


def describe_opps(root: FakeRoot, core: int, volts: Mapping[int, float], *, phandle: int) -> None:
    """An operating-points-v2 table (Hz, V) that the node of `core` points to."""
    table = f"opp-table-{phandle}"
    set_cells(root, table, phandle=phandle)
    for freq_hz, volt_v in volts.items():
        point = f"{table}/opp-{freq_hz}"
        set_cells(
            root,
            point,
            opp_hz=(freq_hz >> 32, freq_hz & 0xFFFFFFFF),
            opp_microvolt=round(volt_v * 1e6),
            clock_latency_ns=40_000,
        )
    set_cells(root, f"cpus/cpu@{core:x}", operating_points_v2=phandle)


def hide(root: FakeRoot, *patterns: str) -> None:
    """Take files or folders away, as a kernel that does not show them."""
    for pattern in patterns:
        found = list(root.path.glob(pattern))
        assert found, f"nothing to hide at {pattern}"
        for path in found:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def board_of(root: FakeRoot) -> Board:
    """The probed board, which there must be."""
    found = probe(root.path)
    assert found.problems == ()
    assert found.board is not None
    return found.board


def gap_about(found: Probe, what: str) -> str:
    """What is used in place of something that was not seen."""
    (gap,) = [gap for gap in found.gaps if gap.what == what]
    return gap.instead
