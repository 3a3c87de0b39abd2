"""One scenario on a board, ready to be swept: the border between the recorder and a platform."""

from collections.abc import Callable, Sequence
from typing import Protocol

from platforms.platform import Clock, Observation, Platform
from traces.plan import PlannedScenario

APPLICATION_OF_INTEREST = 0
"""Its id in an experiment; the background counts on from there."""


class Experiment(Protocol):
    """A platform with a scenario's applications running, the application of interest among them."""

    @property
    def platform(self) -> Platform:
        """Where they run."""
        ...

    @property
    def clock(self) -> Clock:
        """The platform's time."""
        ...

    def set(self, core: int, opps: tuple[int, ...]) -> None:
        """Put the application of interest onto a core, and the clusters at operating points."""
        ...

    def clocks(self, opps: tuple[int, ...]) -> None:
        """Put the clusters at operating points; nobody moves."""
        ...

    def pause(self, paused: bool) -> None:
        """Stop the applications, or let them go on, where the back end can."""
        ...

    def settle(self, settle_s: float | None) -> None:
        """Return when the board has settled under the present load for `settle_s` seconds.

        None leaves the time to the back end. Raises platforms.errors.ThermalLimit where the board
        cannot hold the load.
        """
        ...

    def check(self, seen: Sequence[Observation]) -> None:
        """Raise `RunSpoiled` where what was seen in a window is no run of the scenario."""
        ...


class RunSpoiled(Exception):
    """A program ended or was not measured in a run: the run has to be made again."""


OpenExperiment = Callable[[PlannedScenario], Experiment]
