"""Judge what a policy holds against the optimum, at moments of an episode.

Who knows the optimum lives on a higher floor and is found as ``ilgov.judges``: an entry point named
`NAME` with a factory ``make(simulated: SimulatedBoard) -> Judge``.
"""

import statistics
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Protocol

from msgspec import Struct

from platforms.simulated.simulated_board import SimulatedBoard

GROUP = "ilgov.judges"
NAME = "oracle"

WITHIN_K = 1.0
"""A mapping this close to the optimum counts as a right decision, as TOP-IL's own figures do."""


class Verdict(Struct, frozen=True):
    """What the mapping of one moment is worth, with the least operating points for its targets.

    `excess_k` is its hottest core's steady temperature above that of the optimum for the same
    applications. It is None where the mapping misses a target that the optimum meets, or has no
    steady state. `proven` says whether the optimum is one, and not the best that was found in time.
    """

    excess_k: float | None
    proven: bool

    @property
    def within(self) -> bool:
        """Whether the mapping is as good as the optimum, to `WITHIN_K`."""
        return self.excess_k is not None and self.excess_k <= WITHIN_K


class Judge(Protocol):
    """Looks at a simulated board as it is now."""

    def __call__(self) -> Verdict | None:
        """The verdict on the present mapping; None while nothing runs."""
        ...


JudgeFactory = Callable[[SimulatedBoard], Judge]


def installed_judge() -> JudgeFactory | None:
    """The factory of the judge, or None where none is installed."""
    for point in entry_points(group=GROUP, name=NAME):
        factory: JudgeFactory = point.load()
        return factory
    return None


class Looks:
    """Asks a judge once every `period_s` and counts what it says."""

    def __init__(self, judge: Judge | None, period_s: float) -> None:
        """Without a judge there are no verdicts."""
        self._judge = judge
        self._period_s = period_s
        self._due_s = period_s
        self.verdicts: list[Verdict] = []

    def look(self, now_s: float) -> None:
        """Ask, if it is time to."""
        if self._judge is None or now_s < self._due_s - 1e-9:
            return
        self._due_s += self._period_s
        verdict = self._judge()
        if verdict is not None:
            self.verdicts.append(verdict)

    @property
    def within(self) -> int:
        """How many verdicts were good."""
        return sum(verdict.within for verdict in self.verdicts)

    @property
    def short(self) -> int:
        """At how many looks the mapping could not meet what the optimum met."""
        return sum(verdict.excess_k is None for verdict in self.verdicts)

    @property
    def proven(self) -> int:
        """At how many looks the optimum was proven."""
        return sum(verdict.proven for verdict in self.verdicts)

    @property
    def mean_excess_k(self) -> float | None:
        """The mean excess where there is one, K."""
        known = [v.excess_k for v in self.verdicts if v.excess_k is not None]
        return statistics.fmean(known) if known else None
