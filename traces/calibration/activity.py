"""How much of a core a program switches: its activity, and what a stalled core still switches.

A board's core takes ``activity x (floor + (1 - floor) x busy share) x dynamic power``, the busy
share being the part of a program's time that is no stall. The energy per busy cycle of one program
at several clocks tells the floor, since its share of stall grows with the clock; the level tells
its activity. The hungriest program is the reference: its activity is 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_FLOORS = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True)
class ProgramEnergy:
    """A program's core energy per busy cycle at one volt (J) and its busy share at N clocks."""

    energy_j: Vector
    busy_share: Vector

    def __post_init__(self) -> None:
        if len(self.energy_j) != len(self.busy_share) or not len(self.energy_j):
            raise ValueError("energy_j and busy_share must be pairs, one at least")
        if not (self.energy_j > 0).all():
            raise ValueError(f"energy_j must be positive (got {self.energy_j.min():g})")


@dataclass(frozen=True)
class ActivityFit:
    """The floor with its 95 % interval, the reference energy (J), every program's activity.

    `identified` says that the programs' stalls vary enough to tell the floor; else `floor` is the
    one that was given. `residual_rms` is relative to the energies.
    """

    floor: float
    low: float
    high: float
    identified: bool
    reference: str
    reference_j: float
    activity: dict[str, float]
    residual_rms: float


def fit_activity(
    programs: Mapping[str, ProgramEnergy], *, usual_floor: float, rng: np.random.Generator
) -> ActivityFit:
    """Fit floor and activities by relative least squares within programs.

    The interval comes from resampling programs. `usual_floor` is kept where that interval is wider
    than half of what is possible. Raises ValueError for no programs.
    """
    if not programs:
        raise ValueError("programs must be one at least (got none)")
    names = sorted(programs)
    loss = np.array([_losses(programs[name]) for name in names])
    floor = float(_FLOORS[loss.sum(axis=0).argmin()])
    drawn = rng.integers(len(names), size=(200, len(names)))
    low, high = np.quantile(_FLOORS[loss[drawn].sum(axis=1).argmin(axis=1)], [0.025, 0.975])
    identified = bool(high - low <= 0.5)
    chosen = floor if identified else usual_floor
    levels = {name: level_j(programs[name], chosen) for name in names}
    reference = max(levels, key=lambda name: (levels[name], name))
    total = sum(len(programs[name].energy_j) for name in names)
    at = int(np.abs(_FLOORS - chosen).argmin())
    return ActivityFit(
        chosen,
        float(low),
        float(high),
        identified,
        reference,
        levels[reference],
        {name: level / levels[reference] for name, level in levels.items()},
        float(np.sqrt(loss[:, at].sum() / total)),
    )


def level_j(program: ProgramEnergy, floor: float) -> float:
    """The energy per cycle (J) of a program that does not stall, by relative least squares.

    >>> level = level_j(ProgramEnergy(np.array([3e-10, 2e-10]), np.array([1.0, 0.5])), 1 / 3)
    >>> round(1e12 * level)
    300
    """
    shape = (floor + (1.0 - floor) * program.busy_share) / program.energy_j
    return float(shape.sum() / (shape @ shape))


def _losses(program: ProgramEnergy) -> Vector:
    """The sum of squared relative errors for every floor of the grid."""
    errors = []
    for floor in _FLOORS:
        shape = (floor + (1.0 - floor) * program.busy_share) / program.energy_j
        total = shape @ shape
        errors.append(np.sum((shape * (shape.sum() / total) - 1.0) ** 2) if total > 0 else np.inf)
    return np.array(errors)
