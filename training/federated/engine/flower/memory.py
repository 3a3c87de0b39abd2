"""What a device remembers between orders: in the run's context, and on disk where it is told to.

The context ends with the run, or when the SuperNode is killed. A folder outlives both: a run that
is resumed gives the device back what it knew when the round began that is played again.
"""

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from numpy.typing import NDArray

from training.federated.checkpoint import load_arrays, save_arrays
from training.federated.engine.flower.encode import array_of

RECORD = "memory"
KEPT_ROUNDS = 3
"""Rounds of which a device still has its memory: those in which it took part last."""

KEPT_RUNS = 3
"""Runs of which a board still has the memory."""
_RUN = re.compile(r"[0-9a-f]{1,32}")

Memory = dict[str, NDArray[Any]]


def remembered(context: Context, folder: Path | None, round_: int) -> Memory:
    """What the device knows as an order of this round comes in."""
    if RECORD in context.state.array_records:
        return {name: array_of(kept) for name, kept in context.state.array_records[RECORD].items()}
    if folder is not None:
        earlier = [path for path in _kept(folder) if path < _path(folder, round_)]
        if earlier:
            return load_arrays(earlier[-1])
    return {}


def remember(context: Context, folder: Path | None, round_: int, memory: Memory) -> None:
    """Keep it for the next order, and on disk for the next run."""
    arrays = {name: Array(np.asarray(array)) for name, array in memory.items()}
    context.state[RECORD] = ArrayRecord(arrays)
    if folder is not None and memory:
        folder.mkdir(parents=True, exist_ok=True)
        save_arrays(_path(folder, round_), memory)
        for old in _kept(folder)[:-KEPT_ROUNDS]:
            old.unlink()


def folder_of_run(folder: Path, run: str) -> Path:
    """Where a device remembers of one run: what it knows of another would be wrong there.

    The memories of all but the last runs are removed. ValueError where `run` is no name of one.
    """
    if not _RUN.fullmatch(run):
        raise ValueError(f"run must be hexadecimal digits (got {run!r})")
    own = folder / run
    if not own.exists():
        own.mkdir(parents=True)
        runs = [path for path in folder.iterdir() if _RUN.fullmatch(path.name) and path != own]
        for old in sorted(runs, key=lambda path: path.stat().st_mtime)[: 1 - KEPT_RUNS]:
            shutil.rmtree(old)
    return own


def _kept(folder: Path) -> list[Path]:
    """What is there, the oldest first."""
    return sorted(folder.glob("memory-*.safetensors"))


def _path(folder: Path, round_: int) -> Path:
    return folder / f"memory-{round_:06}.safetensors"
