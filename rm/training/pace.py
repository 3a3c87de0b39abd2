"""What follows from a capability about time alone, wherever the job may run."""

import math

from platforms.board import Board
from platforms.platform import TrainingGrant
from platforms.training_work import BATCH
from rm.planner.capability import Capability


def worth_of_samples(capability: Capability) -> tuple[float, ...]:
    """Per setting how many reference samples one of its samples is: those of the first one."""
    needed = [capability.samples_to_goal(at) for at in range(len(capability.settings))]
    return tuple(needed[0] / samples for samples in needed)


def longest_step_s(board: Board, capability: Capability, grant: TrainingGrant) -> float:
    """How long a step of a grant takes at the slowest operating point, s.

    Where the tables have no such place (cores of two clusters, say), at the slowest of all places.
    """
    unit = grant.accelerator or board.clusters[board.cluster_of_core[grant.cores[0]]].name
    count = 0 if grant.accelerator else len(grant.cores)
    times_s = capability.sample_s[grant.setting]
    pairs = list(zip(capability.places, times_s, strict=True))
    there = [time_s for place, time_s in pairs if (place.unit, place.cores) == (unit, count)]
    return capability.settings[grant.setting].knobs[BATCH] * max(there or times_s)


def most_progress(
    capability: Capability, *, memory_bytes: float | None = None, power_w: float | None = None
) -> float:
    """The most reference samples/s that any setting makes at any place; 0 where all take too much.

    `power_w` is for the peak (None of both: no limit).
    """
    limit_bytes = math.inf if memory_bytes is None else memory_bytes
    limit_w = math.inf if power_w is None else power_w
    most = 0.0
    for at, worth in enumerate(worth_of_samples(capability)):
        if capability.settings[at].memory_bytes <= limit_bytes:
            pairs = zip(capability.sample_s[at], capability.peak_w[at], strict=True)
            fastest_s = min((time_s for time_s, peak_w in pairs if peak_w <= limit_w), default=None)
            most = max(most, 0.0 if fastest_s is None else worth / fastest_s)
    return most
