"""Scenarios for the joint search, drawn at random: which applications run where, with what targets.

Each depends on the seed and on its number alone, so that a sweep may be cut and shared out at will.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from oracle.whatif import Wanted
from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.simulated.variation import related, varied
from rm.evaluation.workload import WorkloadParameters, draw_workload


class DrawParameters(Struct, frozen=True, kw_only=True):
    """How scenarios are drawn; as the workloads of the evaluation (`rm.evaluation.workload`) are.

    One to `most_applications` run. A target is a share, uniform between `lowest_target` and
    `highest_target`, of what the application reaches alone on the board's strongest core at its
    highest frequency. Applications vary by the share `variation` around their profiles, and stand
    for others that differ by `diversity` (`platforms.simulated.variation`).
    """

    most_applications: int
    lowest_target: float = 0.1
    highest_target: float = 0.4
    variation: float = 0.15
    diversity: float = 0.0
    seed: int = 0


def draw_scenario(
    board: Board, profiles: Sequence[ApplicationProfile], parameters: DrawParameters, number: int
) -> tuple[Wanted, ...]:
    """The applications of scenario `number`, each with one thread.

    How many, which (one may run twice), in which phase and on which core is uniform; they may share
    a core.
    """
    rng = np.random.default_rng([parameters.seed, number])
    count = int(rng.integers(1, parameters.most_applications + 1))
    return tuple(_draw(board, profiles, parameters, rng, app) for app in range(count))


def as_evaluated(
    board: Board,
    profiles: Sequence[ApplicationProfile],
    workload: WorkloadParameters,
    rng: np.random.Generator,
) -> tuple[Wanted, ...]:
    """All applications of an evaluation's workload at once, each with one thread.

    In which phase and on which core is uniform; they may share a core.
    """
    return tuple(
        Wanted(
            id=job.id,
            profile=job.profile,
            phase=int(rng.integers(len(job.profile.cycle))),
            target_ips=job.target_ips,
            threads=1,
            cores=(int(rng.integers(board.core_count)),),
        )
        for job in draw_workload(board, profiles, workload, rng)
    )


def _draw(
    board: Board,
    profiles: Sequence[ApplicationProfile],
    parameters: DrawParameters,
    rng: np.random.Generator,
    app: int,
) -> Wanted:
    profile = profiles[int(rng.integers(len(profiles)))]
    profile = related(profile, rng, share=parameters.diversity)
    profile = varied(profile, rng, share=parameters.variation)
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    share = rng.uniform(parameters.lowest_target, parameters.highest_target)
    return Wanted(
        id=app,
        profile=profile,
        phase=int(rng.integers(len(profile.cycle))),
        target_ips=float(share * profile.ips(strongest, strongest.freqs_hz[-1])),
        threads=1,
        cores=(int(rng.integers(board.core_count)),),
    )
