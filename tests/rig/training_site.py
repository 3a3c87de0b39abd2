"""PyTorch and Flower for guests that train: wheels of the guest's architecture, unpacked.

In the guest ``with_training.sh`` mounts the folder.
"""

import hashlib
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from platforms.board import Board
from tests.rig.debian import output_of
from tests.rig.guest import Setup
from tests.rig.guest_build import WHEELS
from tests.rig.places import Build

PYTHON = "3.13"
"""The guest's, trixie's."""

TORCH = "torch==2.10.0"
"""The last one that the package index has for this architecture without CUDA's libraries."""

BESIDE_TORCH = ("filelock", "fsspec", "jinja2", "networkx", "sympy", "typing-extensions")
FLOWER = "flwr==1.42.0"

_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
TAG = "training"
"""What the guest mounts it by."""

_USELESS = ("torch/include", "torch/share", "torch/test")
_UNUSED = (*WHEELS, "uv")
"""Wheels that are left out: what every guest has, and Flower's installer."""


def training_setup(board: Board, build: Build) -> Setup:
    """A guest that can train: with the folder, memory for PyTorch, and cores that can run it.

    PyTorch's build is no program for QEMU's cortex-a57 (an illegal instruction ends its import);
    what the kernel is told of clusters stays.
    """
    shared = {TAG: ensure_training_site(build)}
    return Setup(board, pmu=False, ram_bytes=3 << 30, shared=shared, cpu="cortex-a76")


def ensure_training_site(build: Build) -> Path:
    """The folder, made unless it is there already, from what is asked for now.

    Raises RigUnavailable, with the reason, where this machine cannot.
    """
    site, made_from = build.training_site, build.folder / "training.fingerprint"
    wanted = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    with build.locked():
        if made_from.exists() and made_from.read_text() == wanted:
            return site
        made_from.unlink(missing_ok=True)
        shutil.rmtree(site, ignore_errors=True)
        wheels = build.folder / "work-training"
        shutil.rmtree(wheels, ignore_errors=True)
        _download(wheels, ["--no-deps", TORCH])
        _download(wheels, [FLOWER, *BESIDE_TORCH])
        for wheel in sorted(wheels.glob("*.whl")):
            if wheel.name.partition("-")[0] not in _UNUSED:
                _unpack(wheel, site)
        shutil.rmtree(wheels)
        made_from.write_text(wanted)
    return site


def _download(folder: Path, wanted: Sequence[str]) -> None:
    platforms = [word for name in _PLATFORMS for word in ("--platform", name)]
    output_of(
        *(sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:"),
        *("--implementation", "cp", "--python-version", PYTHON, *platforms),
        *("--dest", str(folder), *wanted),
    )


def _unpack(wheel: Path, site: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    for name in _USELESS:
        shutil.rmtree(site / name, ignore_errors=True)
