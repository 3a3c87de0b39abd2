"""A small chip as HotSpot's files, which tests take as it is or spoil."""

from collections.abc import Callable
from pathlib import Path

import pytest

FLP = """# name width height left bottom
core0\t0.002\t0.002\t0.000\t0.000
core1\t0.002\t0.002\t0.002\t0.000
cache\t0.004\t0.003\t0.000\t0.002
"""
CONFIG = """# a package
-t_chip 0.0002
-s_spreader 0.010
-s_sink 0.020
-r_convec 2.0
-c_convec 10
-ambient 300
-init_temp 300
-sampling_intvl 0.01
"""
PTRACE = "cache\tcore0\tcore1\n0.5\t1.0\t0.25\n0.5\t0.0\t0.25\n0.5\t2.0\t0.25\n"
MATERIALS = """# materials
silicon
solid
120.0
1.6e6

water
fluid
0.6
4.2e6
9e-4
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text below the test's folder; gives its path."""

    def to_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return path

    return to_file


@pytest.fixture
def chip(write: Callable[[str, str], Path]) -> dict[str, Path]:
    """The files of the small chip by kind."""
    texts = {"flp": FLP, "config": CONFIG, "ptrace": PTRACE, "materials": MATERIALS}
    return {kind: write(f"chip.{kind}", text) for kind, text in texts.items()}
