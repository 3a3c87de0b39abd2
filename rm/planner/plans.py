"""What a planner is asked and what it answers."""

import math
from dataclasses import dataclass
from typing import Literal

Objective = Literal["temperature", "energy"]
"""What a plan spares among those that keep all: the hottest core, or what the round costs."""

Constraint = Literal["foreground", "temperature", "power", "memory", "deadline"]
"""In the order in which they are kept."""


@dataclass(frozen=True)
class Limits:
    """What must not be passed.

    `temp_c` is for the hottest core (or accelerator) in degC, `power_w` for the SoC in watts, with
    training at its peak, `memory_bytes` for what training keeps resident.
    """

    temp_c: float
    power_w: float = math.inf
    memory_bytes: float = math.inf


@dataclass(frozen=True)
class RoundLeft:
    """What is left of a round: reference samples to do in `time_s` seconds (infinite: whenever)."""

    samples: float
    time_s: float


@dataclass(frozen=True)
class Plan:
    """One decision for everything on the board.

    `mode` is a row of the mode table (None: training pauses). `cluster` and `group` are the
    foreground's mapping, as `rm.mapping.packing.Mappings` has it; `opp_index` is per cluster, that
    of the accelerator that trains in `accelerator_opp`. `temp_c` and `power_w` are what the model
    says of the hottest core, at most, and of the SoC; `finish_s` is when the round ends (infinite:
    never). `broken` are the constraints that no plan that was looked at keeps together, in order.
    """

    mode: int | None
    cluster: tuple[int, ...]
    group: tuple[int, ...]
    opp_index: tuple[int, ...]
    accelerator_opp: int | None
    temp_c: float
    power_w: float
    finish_s: float
    broken: tuple[Constraint, ...] = ()
