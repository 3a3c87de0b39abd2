"""Run a power trace through a network: what HotSpot computes, piece by piece."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from platforms.floorplan.power_trace import PowerTrace
from platforms.floorplan.stepping import Stepper

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class TraceSummary:
    """What a whole trace comes to: steps, the blocks' mean powers in the floorplan's order."""

    steps: int
    mean_power_w: Vector


def run_trace(
    trace: PowerTrace,
    stepper: Stepper | None = None,
    *,
    write: Callable[[Matrix], None] = lambda temp_k: None,
    progress: Callable[[int], None] = lambda steps: None,
) -> TraceSummary:
    """Read the whole of `trace`; with a `stepper`, `write` takes the blocks' temperatures (K).

    `write` gets a row per step, at the step's end, in the trace's own order of blocks; `progress`
    the steps done so far. Raises InvalidInput where the trace is wrong.
    """
    steps = 0
    total = np.zeros(len(trace.header))
    for power_w in trace.batches():
        total += power_w.sum(axis=0)
        steps += len(power_w)
        if stepper is not None:
            ordered = np.empty_like(power_w)
            ordered[:, trace.order] = power_w
            write(stepper.advance(ordered)[:, trace.order])
        progress(steps)
    mean = np.empty_like(total)
    mean[trace.order] = total / steps
    return TraceSummary(steps, mean)
