"""Scenarios on the simulated board, ready to be swept."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from platforms.application import ApplicationProfile, Job
from platforms.board import Board
from platforms.platform import Decision, Migration, Observation
from platforms.simulated.job_check import check_jobs
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.variation import related, varied
from traces.experiment_protocol import APPLICATION_OF_INTEREST, Experiment, OpenExperiment
from traces.plan import Plan, PlannedScenario


class SimulatedExperiment:
    """A scenario on the simulated board, which settles in no time unless it is told how long."""

    def __init__(self, simulated: SimulatedBoard) -> None:
        """The board is its own platform."""
        self.platform = simulated
        self.clock = simulated.clock

    def set(self, core: int, opps: tuple[int, ...]) -> None:
        """Decide so."""
        self.platform.apply(Decision((Migration(APPLICATION_OF_INTEREST, (core,)),), opps))

    def clocks(self, opps: tuple[int, ...]) -> None:
        """Decide so."""
        self.platform.apply(Decision((), opps))

    def pause(self, paused: bool) -> None:
        """Do nothing: simulated applications do not stop, so it cools down at the lowest clocks."""

    def settle(self, settle_s: float | None) -> None:
        """Jump to the steady state, or let the time pass."""
        if settle_s is None:
            self.platform.settle()
        else:
            self.clock.sleep_until(self.clock.now_s() + settle_s)

    def check(self, seen: Sequence[Observation]) -> None:
        """Simulated applications do not fail."""


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
