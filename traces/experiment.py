"""One scenario on a board, ready to be swept: the border between the recorder and a platform."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import numpy as np

from platforms.application import ApplicationProfile, Job
from platforms.board import Board
from platforms.platform import Clock, Platform
from platforms.simulated.job_check import check_jobs
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.variation import related, varied
from traces.plan import Plan, PlannedScenario

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

    def settle(self) -> None:
        """Return when the temperature is steady under the present load.

        Raises platforms.errors.ThermalLimit where the board cannot hold it.
        """
        ...


OpenExperiment = Callable[[PlannedScenario], Experiment]


class SimulatedExperiment:
    """A scenario on the simulated board, which settles in no time."""

    def __init__(self, simulated: SimulatedBoard) -> None:
        """The board is its own platform."""
        self.platform = simulated
        self.clock = simulated.clock

    def settle(self) -> None:
        """Jump to the steady state."""
        self.platform.settle()


def check_applications(board: Board, profiles: Iterable[ApplicationProfile]) -> None:
    """Raise InvalidInput for the first application that cannot run on every cluster."""
    jobs = [Job(id=i, profile=profile, target_ips=1.0) for i, profile in enumerate(profiles)]
    check_jobs(board, jobs)


def open_simulated(
    board: Board, plan: Plan, profiles: Mapping[str, ApplicationProfile]
) -> OpenExperiment:
    """Experiments of a plan on the simulated board; applications vary as the plan says."""

    def open_(scenario: PlannedScenario) -> Experiment:
        rng = np.random.default_rng(scenario.seed)
        names = (scenario.application, *scenario.background)
        first_free = plan.free_cores(scenario, board)[0]
        cores = (first_free, *scenario.background_cores)
        jobs = [
            Job(
                id=number,
                profile=varied(
                    related(profiles[name], rng, share=plan.diversity), rng, share=plan.variation
                ),
                target_ips=1.0,
                cores=(core,),
            )
            for number, (name, core) in enumerate(zip(names, cores, strict=True))
        ]
        cooling = board.cooling_named(plan.cooling)
        simulated = SimulatedBoard(board, cooling=cooling, rng=rng, jobs=jobs)
        simulated.advance_to(1e-6)
        return SimulatedExperiment(simulated)

    return open_
