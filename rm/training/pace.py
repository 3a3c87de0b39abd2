"""What follows from a capability about time alone, wherever the job may run."""

import math

from rm.planner.capability import Capability


def worth_of_samples(capability: Capability) -> tuple[float, ...]:
    """Per setting how many reference samples one of its samples is: those of the first one."""
    needed = [capability.samples_to_goal(at) for at in range(len(capability.settings))]
    return tuple(needed[0] / samples for samples in needed)


def longest_steps_s(capability: Capability) -> tuple[float, ...]:
    """Per setting how long a step takes where it takes longest, s."""
    pairs = zip(capability.settings, capability.sample_s, strict=True)
    return tuple(setting.knobs["batch"] * max(row) for setting, row in pairs)


def most_progress(capability: Capability, memory_bytes: float | None = None) -> float:
    """The most reference samples/s that any setting within this memory makes at any place."""
    limit = math.inf if memory_bytes is None else memory_bytes
    rows = zip(capability.settings, capability.sample_s, worth_of_samples(capability), strict=True)
    return max(
        (worth / min(row) for setting, row, worth in rows if setting.memory_bytes <= limit),
        default=0.0,
    )
