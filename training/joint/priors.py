"""What the training applications have in common: `rm.speed_estimate.SpeedPriors`."""

from collections.abc import Sequence

import numpy as np

from platforms.application import ApplicationProfile
from platforms.board import Board
from rm.speed_estimate import SpeedPriors


def measured_priors(board: Board, profiles: Sequence[ApplicationProfile]) -> SpeedPriors:
    """Median stall per cycle on the strongest cores, geometric mean of the cycles per cluster."""
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    reference = [profile.on(strongest) for profile in profiles]
    ratios = [
        [
            profile.on(cluster).cpi / core.cpi
            for profile, core in zip(profiles, reference, strict=True)
        ]
        for cluster in board.clusters
    ]
    return SpeedPriors(
        stall_s_per_cycle=float(np.median([core.stall_s / core.cpi for core in reference])),
        cycles=tuple(float(np.exp(np.mean(np.log(values)))) for values in ratios),
    )
