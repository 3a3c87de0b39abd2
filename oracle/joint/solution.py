"""What the joint search answers: a decision, and how far its proof reaches."""

from msgspec import Struct

from oracle.whatif import Placement

OBJECTIVES = ("peak", "sensor", "mean", "power")
"""`peak`: the hottest core, degC. `sensor`: the board's first sensor without noise, degC. `mean`:
the mean over the cores, degC. `power`: what the SoC takes, W. All in the steady state."""

DIGITS = 6
"""Sums of missed targets that agree in so many digits after the point count as equal."""


class Miss(Struct, frozen=True):
    """A target that the decision misses: which application, on which core, by which share."""

    application_id: int
    core: int
    target_ips: float
    rate_ips: float
    share: float


class Solution(Struct, frozen=True, kw_only=True):
    """A decision for all applications, with its proof.

    Decisions are ranked by `shortfall`, the sum of the shares by which targets are missed, rounded
    to six digits, and then by `value`: the objective (degC, or W for `power`; infinite where there
    is no steady state) with the costs of migrations added. `peak_c` is the hottest core.

    `optimal` says that no decision is better: none misses less, and none that misses no more has a
    value below `lower_bound`, which lies at most the search's tolerance below `value`. Where the
    budget was spent before that was proven, `optimal` is false, the decision is the best one found,
    and the bounds still hold: no decision misses less than `shortfall_bound`, and none that misses
    no more than this one has a value below `lower_bound`. So the optimum's value is at least
    `lower_bound`, whichever it is.

    `nodes` counts the choices that were tried, `misses` names the targets that are missed.
    """

    placement: Placement
    opp_index: tuple[int, ...]
    value: float
    peak_c: float
    shortfall: float
    optimal: bool
    lower_bound: float
    shortfall_bound: float
    nodes: int
    misses: tuple[Miss, ...] = ()

    @property
    def gap(self) -> float:
        """How much better a decision that misses no more could still be; in the value's unit."""
        return max(0.0, self.value - self.lower_bound) if self.value != self.lower_bound else 0.0
