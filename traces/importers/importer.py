"""What an importer of a format is, what it is asked for, and what it gives back."""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import pyarrow as pa
from msgspec import Struct

from platforms.board import Board
from traces.importers.source import SourceFile
from traces.measurements import Layout
from traces.schema import Dropped


class Request(Struct, frozen=True, kw_only=True):
    """What the user says of the files.

    `layout` are the clusters and cores of the machine (of the board, or of ``--clusters``), None
    where nobody said; `board` is the board's description where there is one. `runs` are the only
    runs wanted (empty: all), `step_s` the time between rows in files that do not say it.
    """

    layout: Layout | None = None
    board: Board | None = None
    application: str | None = None
    runs: tuple[str, ...] = ()
    step_s: float | None = None


class Tally:
    """What was left out, by rule: how often, and the first as an example; notes for the reader."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._dropped: dict[str, tuple[int, str]] = {}
        self._notes: dict[str, None] = {}

    def drop(self, rule: str, example: str, count: int = 1) -> None:
        """Count what a rule left out."""
        before, first = self._dropped.get(rule, (0, example))
        self._dropped[rule] = (before + count, first)

    def note(self, sentence: str) -> None:
        """Add what a reader has to know, once."""
        self._notes[sentence] = None

    @property
    def dropped(self) -> tuple[Dropped, ...]:
        """All rules that left something out."""
        return tuple(
            Dropped(rule=rule, count=count, example=example)
            for rule, (count, example) in self._dropped.items()
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """All notes."""
        return tuple(self._notes)


class Reading(Struct, frozen=True, kw_only=True):
    """What comes out of files: rows in batches, and what is known of all of them beforehand."""

    layout: Layout
    batches: Iterator[pa.Table]
    averaged: bool
    power_of: Literal["cluster rails", "device above idle", "floorplan blocks", "nothing"]
    extra: tuple[str, ...] = ()


class Importer(Protocol):
    """One format. `manual` describes it in the help: its columns and units, and the rules."""

    name: str
    manual: str

    def sniff(self, head: Sequence[str]) -> bool:
        """Whether a file that begins with these lines seems to be of this format."""
        ...

    def read(self, sources: Sequence[SourceFile], asked: Request, tally: Tally) -> Reading:
        """The rows of the files, which are all of this format and of one machine.

        Raises InvalidInput, also while the batches are taken, for what cannot be.
        """
        ...
