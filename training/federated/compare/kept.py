"""Finished pieces of a comparison, kept on disk: who stops it loses those under way only.

A piece is found again by all that it depends on: itself, the code, the libraries, the files that it
names. The process that did it writes it, as a whole or not at all, so Ctrl-C and kill -9 are safe.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec import Struct

from platforms.atomic_file import replacing
from rm.manifest import data_digest, path_digest
from training.federated.compare.code_digest import code_digest
from training.federated.compare.play import do_job, play_cell
from training.federated.registry import module_of
from training.federated.study import Cell, Job, Outcome
from training.federated.system import Setup

FOLDER = "cells"
_LIBRARIES = ("numpy", "torch", "transformers", "peft", "scikit-learn", "tokenizers")

Work = Cell | Job


class Piece(Struct, frozen=True, kw_only=True):
    """Something to do, and the file that keeps what came of it."""

    work: Work
    path: Path


class Kept(Struct, frozen=True, kw_only=True):
    """What came of a piece: an outcome, or a job's result; `cpu_s` is not part of any result."""

    outcome: Outcome | None = None
    result: Any = None
    cpu_s: float


class Keeper:
    """The finished pieces in a folder."""

    def __init__(self, out: Path) -> None:
        """Nothing is written before a piece is finished."""
        self.folder = out / FOLDER
        self._code: dict[tuple[str, ...], str] = {}

    def place(self, system: str, work: Work) -> Piece:
        """Where a piece of a system's study is kept."""
        text = msgspec.json.encode(work, order="sorted").decode()
        parts = [text, self._surroundings]
        if isinstance(work, Cell):
            parts.append(self._code_of(play_cell.__module__, module_of(system)))
            parts += [path_digest(path) for path in _files(work.setup)]
        else:
            parts.append(self._code_of(do_job.__module__, work.call.partition(":")[0]))
        whole = hashlib.sha256("\0".join(parts).encode())
        return Piece(work=work, path=self.folder / f"{whole.hexdigest()[:32]}.json")

    def sweep(self) -> None:
        """Remove what a killed process left half written."""
        for path in self.folder.glob(".*.part"):
            path.unlink(missing_ok=True)

    def _code_of(self, *modules: str) -> str:
        if modules not in self._code:
            self._code[modules] = code_digest(modules)
        return self._code[modules]

    @cached_property
    def _surroundings(self) -> str:
        """Libraries, boards and applications, fleets."""
        fleets = Path(__file__).parents[1] / "fleets"
        return " ".join([*_versions(_LIBRARIES), data_digest(), path_digest(fleets)])


def _versions(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} none"


def _files(setup: Setup) -> Iterator[Path]:
    """What a setup names that is not part of the code: a fleet, models, a data set."""
    model = str(setup.options.get("model", ""))
    for name in (setup.fleet, setup.models, model, setup.task.removeprefix("hf:")):
        if name and Path(name).exists():
            yield Path(name)


def find_kept(piece: Piece) -> Kept | None:
    """A piece as it was kept, or None where it was not, or is damaged."""
    try:
        return msgspec.json.decode(piece.path.read_bytes(), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None


def do_piece(piece: Piece, *, clock: Callable[[], float] = time.process_time) -> float:
    """Do a piece and keep it; returns the seconds of CPU that it took."""
    begun_s = clock()
    try:
        if isinstance(piece.work, Cell):
            kept = Kept(outcome=play_cell(piece.work), cpu_s=clock() - begun_s)
        else:
            kept = Kept(result=do_job(piece.work), cpu_s=clock() - begun_s)
    except Exception as error:
        error.add_note(f"In {described(piece.work)}")
        raise
    with replacing(piece.path) as temporary:
        temporary.write_bytes(msgspec.json.encode(kept))
    return kept.cpu_s


def described(work: Work) -> str:
    """What is done, for messages.

    >>> described(Job(name="memory", call="m:f", arguments={}))
    'job memory'
    """
    if isinstance(work, Job):
        return f"job {work.name}"
    setup = work.setup
    options = ", ".join(f"{name} {value}" for name, value in setup.options.items())
    return f"{work.stage} run of {setup.method} on {setup.task}, seed {setup.seed} ({options})"


def outcome_of(piece: Piece) -> Outcome:
    """The outcome of a cell that was done."""
    return cast(Outcome, _done(piece).outcome)


def result_of(piece: Piece) -> Any:
    """The result of a job that was done."""
    return _done(piece).result


def cpu_s_of(piece: Piece) -> float:
    """The seconds of CPU that it took when it was done."""
    return _done(piece).cpu_s


def _done(piece: Piece) -> Kept:
    kept = find_kept(piece)
    if kept is None:
        raise FileNotFoundError(f"{piece.path}: must be there and whole")
    return kept
