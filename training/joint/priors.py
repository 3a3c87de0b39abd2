"""What the training applications have in common: `rm.speed_priors.SpeedPriors`."""

from collections.abc import Callable, Sequence

import numpy as np

from platforms.application import ApplicationProfile, CoreProfile
from platforms.board import Board
from rm.speed_priors import SpeedPriors


def measured_priors(board: Board, profiles: Sequence[ApplicationProfile]) -> SpeedPriors:
    """Medians over the programs of what stalls are worth, geometric means of ratios of clusters.

    Programs that do not stall on some cluster tell nothing of stalls.
    """
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    reference = [(profile, profile.on(strongest)) for profile in profiles]
    stalling = [
        (profile, core)
        for profile, core in reference
        if min(profile.on(cluster).stall_s for cluster in board.clusters) > 0.0
    ]
    bandwidth = board.memory.bandwidth_bytes_per_s
    busy = [profile.bytes_per_instruction / bandwidth / core.stall_s for profile, core in stalling]

    def relative(
        programs: Sequence[tuple[ApplicationProfile, CoreProfile]],
        value: Callable[[CoreProfile], float],
    ) -> tuple[float, ...]:
        return tuple(
            float(
                np.exp(
                    np.mean([np.log(value(p.on(cluster)) / value(core)) for p, core in programs])
                )
            )
            for cluster in board.clusters
        )

    cycles = relative(reference, lambda core: core.cpi)
    return SpeedPriors(
        stall_s_per_cycle=float(np.median([core.stall_s / core.cpi for _, core in reference])),
        cycles=cycles,
        stalls=relative(stalling, lambda core: core.stall_s) if stalling else cycles,
        memory_per_stall=float(np.median(busy)) if busy else 0.0,
    )
