"""Today's devices: a governor that goes by utilisation, and a controller that reacts to the cap.

Training keeps a device busy, so that the governor asks for the highest frequency. The controller
steps down after a tick above the cap, and after some ticks below it steps up again, because it
does not know what the next step draws. It finds the highest step under the cap, and keeps trying
the one above it.
"""

from collections.abc import Sequence

from msgspec import Struct

TICK_S = 0.1
"""How long the controller looks before it acts (assumed)."""
PATIENCE = 10
"""Ticks below the cap after which it tries the next step (assumed)."""


class Step(Struct, frozen=True, kw_only=True):
    """A frequency step at the batch in use: seconds per sample, peak and mean power in watts."""

    sample_s: float
    peak_w: float
    mean_w: float


class Ride(Struct, frozen=True, kw_only=True):
    """How training went: seconds in all, joules, and seconds above the cap."""

    time_s: float
    energy_j: float
    over_s: float

    @property
    def over_share(self) -> float:
        """Share of the time above the cap."""
        return self.over_s / self.time_s if self.time_s else 0.0


def ride(steps: Sequence[Step], samples: float, cap_w: float) -> Ride:
    """Train so many samples under governor and controller; `steps` rise from the slowest.

    Where even the slowest step draws more than the cap, it is what the controller stays at.
    """
    spent: list[tuple[Step, float]] = []
    level, left = len(steps) - 1, samples
    while level and steps[level].peak_w > cap_w and left > 0:
        left -= _stay(spent, steps[level], TICK_S, left)
        level -= 1
    if level + 1 < len(steps) and steps[level].peak_w <= cap_w:
        left = _cycles(spent, steps[level], steps[level + 1], left)
    else:
        _stay(spent, steps[level], float("inf"), left)
    return Ride(
        time_s=sum(time_s for _, time_s in spent),
        energy_j=sum(step.mean_w * time_s for step, time_s in spent),
        over_s=sum(time_s for step, time_s in spent if step.peak_w > cap_w),
    )


def _stay(spent: list[tuple[Step, float]], step: Step, time_s: float, left: float) -> float:
    """Stay at a step for a time, or until the samples are done; how many were done."""
    done = min(left, time_s / step.sample_s)
    if done > 0:
        spent.append((step, done * step.sample_s))
    return done


def _cycles(spent: list[tuple[Step, float]], below: Step, above: Step, left: float) -> float:
    """`PATIENCE` ticks below the cap and one above it, again and again; what is left is none."""
    calm_s = PATIENCE * TICK_S
    done = calm_s / below.sample_s + TICK_S / above.sample_s
    whole = int(left // done)
    spent += [(below, whole * calm_s), (above, whole * TICK_S)]
    left -= whole * done
    left -= _stay(spent, below, calm_s, left)
    return left - _stay(spent, above, TICK_S, left)
