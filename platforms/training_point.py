"""What one place makes of a training step: how long a sample takes there, alone, and at what power.

On cores it is what the simulated board does with a job that has it to itself: its own threads
queue for the memory, and leakage is taken at its reference temperature.
"""

from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.simulated.performance import Placed, speeds
from platforms.training_work import TrainingWork, training_profile


class TrainingPoint(Struct, frozen=True, gc=False):
    """Seconds per sample, highest and mean power in watts."""

    sample_s: float
    peak_w: float
    mean_w: float


def core_point(
    board: Board, work: TrainingWork, cluster: int, opp: int, cores: int
) -> TrainingPoint:
    """What so many cores of a cluster make of a training's work at an operating point.

    Power is that of these cores and of their cluster's shared part; the peak is that of dispatch
    and compute, when nothing stalls. Raises InvalidInput where the cluster has fewer cores.
    """
    described = board.clusters[cluster]
    if not 1 <= cores <= len(described.cores):
        most = len(described.cores)
        raise InvalidInput(f"cores must be 1 ... {most} on {described.name} (got {cores})")
    profile = training_profile(work, board, cores)
    opps = [0] * len(board.clusters)
    opps[cluster] = opp
    on = described.cores[:cores]
    speed = speeds(board, opps, [Placed(profile, 1.0, 1.0, on)])
    point = described.opps[opp]
    leak_w = described.leakage_w_per_v3 * point.volt_v**3
    at_full_w = point.core_busy_w - leak_w
    activity = sum(speed.core_activity[core] or 0.0 for core in on)
    fixed_w = cores * leak_w + point.cluster_busy_w
    return TrainingPoint(
        1.0 / speed.rate_ips[0],
        fixed_w + cores * at_full_w * profile.activity,
        fixed_w + activity * at_full_w,
    )
