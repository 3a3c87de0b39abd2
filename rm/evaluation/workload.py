"""The workload of an episode: random applications with random targets that come at random times."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from platforms.application import ApplicationProfile, Job
from platforms.board import Board
from platforms.simulated.variation import varied


class WorkloadParameters(Struct, frozen=True, kw_only=True):
    """How workloads are drawn.

    The first arrives at time 0, the others as a Poisson process with `interarrival_s` mean. A
    target is a share, uniform between `lowest_target` and `highest_target`, of what the application
    reaches alone on the board's strongest core at its highest frequency. Its work is what would
    take it `shortest_work_s` to `longest_work_s` there, whatever its target: who runs it faster is
    done with it earlier. `variation` is the spread of the applications around their profiles.

    By default six applications run at a time in the mean where they are held at their targets (more
    than the HiKey 970's eight cores for a seventh of the time), three where all run at full speed;
    and any one target is within what a LITTLE core of it gives alone (44 to 69 % of a big one's
    best). The gap between policies depends on this choice: the README shows how.
    """

    arrivals: int = 20
    interarrival_s: float = 30.0
    lowest_target: float = 0.1
    highest_target: float = 0.4
    shortest_work_s: float = 50.0
    longest_work_s: float = 150.0
    variation: float = 0.15


def draw_workload(
    board: Board,
    profiles: Sequence[ApplicationProfile],
    parameters: WorkloadParameters,
    rng: np.random.Generator,
) -> tuple[Job, ...]:
    """The jobs of one episode, in order of arrival."""
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    gaps = rng.exponential(parameters.interarrival_s, size=parameters.arrivals)
    arrivals = np.cumsum(gaps) - gaps[0]
    jobs = []
    for number in range(parameters.arrivals):
        profile = profiles[int(rng.integers(len(profiles)))]
        profile = varied(profile, rng, share=parameters.variation)
        share = rng.uniform(parameters.lowest_target, parameters.highest_target)
        work_s = rng.uniform(parameters.shortest_work_s, parameters.longest_work_s)
        fastest_ips = profile.ips(strongest, strongest.freqs_hz[-1])
        jobs.append(
            Job(
                id=number,
                profile=profile,
                target_ips=float(share * fastest_ips),
                arrival_s=float(arrivals[number]),
                instructions=float(fastest_ips * work_s),
            )
        )
    return tuple(jobs)
