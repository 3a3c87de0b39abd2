"""Totals of runs, and which runs they show to be corrupt."""

import statistics
from collections.abc import Callable, Sequence

from msgspec import Struct

from traces.importers.importer import Tally

Key = tuple[str, float, float]
"""A run: its program, its frequency, its number."""

MOST_OFF = 0.10
"""A run whose total is off by more than this share of the median of its program is corrupt."""

_FEWEST = 3
"""Among fewer runs of a program nobody can say which one is off."""


class Totals(Struct):
    """What the rows of a run come to, so far. `where` and `line` are its first row's."""

    rows: int
    sums: tuple[float, ...]
    first_ns: int
    last_ns: int
    where: str
    line: int

    @property
    def interval_s(self) -> float:
        """The mean time between its samples."""
        return (self.last_ns - self.first_ns) / 1e9 / (self.rows - 1) if self.rows > 1 else 0.0


class RunTotals:
    """All runs of some files, in order. Memory grows with the number of runs, not of rows."""

    def __init__(self) -> None:
        """No run yet."""
        self.runs: dict[Key, Totals] = {}
        self._last: tuple[Key, str] | None = None

    def add(self, key: Key, part: Totals) -> str | None:
        """Add a run's next rows; what is wrong where they come after those of another run."""
        known = self.runs.get(key)
        if known is None:
            self.runs[key] = part
        elif self._last != (key, part.where):
            return (
                f"must not begin a run again (line {known.line} of {known.where} began "
                f"{key[0]!r} at {key[1] / 1e6:g} MHz, run {key[2]:g}): rows are there twice, or "
                "runs are mixed"
            )
        else:
            known.rows += part.rows
            known.sums = tuple(a + b for a, b in zip(known.sums, part.sums, strict=True))
            known.last_ns = part.last_ns
        self._last = (key, part.where)
        return None

    def judge(self, tally: Tally, what: Sequence[str], name: Callable[[Key], str]) -> set[Key]:
        """The corrupt runs, counted by rule: runs of one sample, and totals that are off.

        A program retires as many instructions at any frequency, so all its runs are compared.
        """
        bad = set()
        programs: dict[str, dict[Key, Totals]] = {}
        for key, run in self.runs.items():
            runs = programs.setdefault(key[0], {})
            if run.rows < 2:
                bad.add(key)
                where = f"{run.where}: line {run.line}: {name(key)}"
                tally.drop("runs of one sample", where)
            else:
                runs[key] = run
        for program, runs in programs.items():
            if len(runs) < _FEWEST:
                tally.note(f"fewer than {_FEWEST} runs of {program}: no total could be judged")
            else:
                bad |= _off(runs, tally, what, name)
        return bad


def _off(
    runs: dict[Key, Totals], tally: Tally, what: Sequence[str], name: Callable[[Key], str]
) -> set[Key]:
    """The runs of one program whose totals are off."""
    off = set()
    for number, event in enumerate(what):
        median = statistics.median(run.sums[number] for run in runs.values())
        for key, run in runs.items():
            share = run.sums[number] / median if median else 1.0
            if abs(share - 1) > MOST_OFF and key not in off:
                off.add(key)
                tally.drop(
                    f"runs with a total of {event} off by more than {MOST_OFF:.0%}",
                    f"{run.where}: line {run.line}: {name(key)} has {share:.2f} of the median",
                )
    return off
