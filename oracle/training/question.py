"""What the exhaustive search is asked, and what it answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from oracle.whatif import Wanted
from platforms.training_work import TrainingWork


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Applications of one thread each in their present phases, and a training job as it truly is.

    `worth` is how many reference samples one of every setting's is. The job is to make
    `needed_per_s` reference samples/s (infinite: as many as it can; 0: none). Limits are as of
    `rm.planner.plans.Limits`. With `field_c` (degC by node) temperatures are those after
    `horizon_s`, else those of the steady state. `cores` is where training is now.
    """

    apps: Sequence[Wanted]
    works: Sequence[TrainingWork]
    worth: Sequence[float]
    needed_per_s: float
    temp_c: float = math.inf
    power_w: float = math.inf
    memory_bytes: float = math.inf
    field_c: NDArray[np.float64] | None = None
    horizon_s: float = math.inf
    cores: tuple[int, ...] = ()


class Decision(Struct, frozen=True, kw_only=True):
    """Who is where, which clocks, and what comes of it.

    `placement` is the core of every application, `cores` those of training (or its `accelerator`
    with `accelerator_opp`), `setting` None where it pauses. `met`: no application misses its
    target. `peak_c` is the hottest core, `power_w` the SoC with training at its mean, `progress`
    reference samples/s. `broken` names what no decision keeps, in the order in which it is kept.
    """

    placement: tuple[int, ...]
    opp_index: tuple[int, ...]
    setting: int | None
    cores: tuple[int, ...]
    accelerator: str | None
    accelerator_opp: int | None
    peak_c: float
    power_w: float
    progress: float
    broken: tuple[str, ...] = ()
