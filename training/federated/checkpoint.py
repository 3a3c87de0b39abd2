"""Checkpoints: arrays as safetensors, all else as JSON; each is whole or not there.

A checkpoint is a folder ``round-000012`` that is written under another name, brought to the disk
and then renamed. Two are kept: should the last be damaged after all, the one before it counts.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from platforms.errors import InvalidInput
from training.federated.exchange import Arrays
from training.federated.rounds import Record
from training.federated.system import State

KEPT = 2
_DAMAGES = (OSError, ValueError, LookupError, TypeError, msgspec.MsgspecError, SafetensorError)
_STATE, _MEMORY, _VALUES = "state.safetensors", "memory.safetensors", "values.json"

Memories = Mapping[str, Arrays]
"""What each device remembers."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A run after a round.

    `memories` is what the devices remember where the engine keeps it for them, `extra` what the
    engine itself needs (JSON).
    """

    record: Record
    state: State
    memories: Memories = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write it and drop all but the last `KEPT`; gives its folder.

    Where it cannot be written (OSError), nothing of it is left.
    """
    final = folder / f"round-{checkpoint.record.rounds:06}"
    building = folder / f".building-{final.name}"
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        _write(building, checkpoint)
        shutil.rmtree(final, ignore_errors=True)
        building.rename(final)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _sync(folder)
    for old in _folders(folder)[KEPT:]:
        shutil.rmtree(old)
    return final


def _write(building: Path, checkpoint: Checkpoint) -> None:
    save_arrays(building / _STATE, checkpoint.state.arrays)
    places = {
        f"{index}/{name}": array
        for index, memory in enumerate(checkpoint.memories.values())
        for name, array in memory.items()
    }
    save_arrays(building / _MEMORY, places)
    values = {
        "record": msgspec.to_builtins(checkpoint.record),
        "values": dict(checkpoint.state.values),
        "devices": list(checkpoint.memories),
        "extra": dict(checkpoint.extra),
    }
    with _kept(building / _VALUES) as path:
        path.write_text(json.dumps(values))


def latest(folder: Path) -> Checkpoint | None:
    """The last whole checkpoint in a folder; None where there are none.

    InvalidInput where there are some, and none can be read: to begin anew would overwrite them.
    """
    problem = ""
    for found in _folders(folder):
        try:
            return _loaded(found)
        except _DAMAGES as error:
            problem = problem or f"{found.name}: {error!r}"
    if problem:
        raise InvalidInput(
            f"{folder} must have a checkpoint that can be read ({problem}); "
            "remove the folder to play the run from its beginning"
        )
    return None


def _loaded(folder: Path) -> Checkpoint:
    values = json.loads((folder / _VALUES).read_text())
    memories: dict[str, dict[str, NDArray[Any]]] = {device: {} for device in values["devices"]}
    for place, array in load_arrays(folder / _MEMORY).items():
        index, _, name = place.partition("/")
        memories[values["devices"][int(index)]][name] = array
    return Checkpoint(
        record=msgspec.convert(values["record"], Record),
        state=State(arrays=load_arrays(folder / _STATE), values=values["values"]),
        memories=memories,
        extra=values["extra"],
    )


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Arrays by name, in their order, as safetensors; the file is whole or not there."""
    whole = {name: np.array(array, order="C") for name, array in arrays.items()}
    with _kept(path) as building:
        try:
            save_file(whole, building, metadata={"names": json.dumps(list(arrays))})
        except SafetensorError as error:
            raise OSError(errno.EIO, str(error), str(path)) from error


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What `save_arrays` wrote, in the same order."""
    with safe_open(path, framework="numpy") as file:
        names = json.loads((file.metadata() or {})["names"])
        return {name: file.get_tensor(name) for name in names}


@contextmanager
def _kept(path: Path) -> Iterator[Path]:
    """A name to write to that takes the place of `path` once it is on the disk."""
    building = path.with_name(f".{path.name}.building")
    yield building
    _sync(building)
    building.replace(path)


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.glob("round-*"), reverse=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
