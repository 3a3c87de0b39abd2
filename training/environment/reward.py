"""What an agent is paid: readings of a board's sensors and counters, never the simulation's truth.

Readings are noisy, quantised and late, on the simulated board as on a real one; an agent that is
paid by them can go on learning on a board.
"""

from collections.abc import Sequence

from msgspec import Struct

from platforms.board import RUNAWAY_C
from platforms.platform import Observation
from rm.evaluation.outcome import MISS_BELOW


class RewardTerms(Struct, frozen=True):
    """The two parts of a reward, neither above 0 unless it is colder than the reference."""

    temperature: float
    misses: float

    @property
    def total(self) -> float:
        """The reward."""
        return self.temperature + self.misses


class Reward(Struct, frozen=True, kw_only=True):
    """The reward of a step: the mean over its rounds of ``temperature + misses``.

    ``temperature = -per_kelvin * (hottest sensor - reference_c)``; ``misses = -per_miss * (sum of
    the applications' shortfalls)``, a shortfall being 0 from `MISS_BELOW` of the target on and 1
    for an application that stands still. By default a kelvin weighs as much as one application that
    lacks a hundredth of what counts as met (both weights assumed).
    """

    per_kelvin: float = 0.01
    per_miss: float = 1.0
    reference_c: float = 25.0

    def terms(self, observations: Sequence[Observation]) -> RewardTerms:
        """The reward of the rounds of one step, in its parts."""
        hottest_c = [max(r.temp_c for r in o.temperatures) for o in observations]
        short = [shortfall(observation) for observation in observations]
        mean_c = sum(hottest_c) / len(hottest_c)
        return RewardTerms(
            -self.per_kelvin * (mean_c - self.reference_c), -self.per_miss * sum(short) / len(short)
        )

    def after_runaway(self, steps: int, running: int) -> RewardTerms:
        """What the steps that a thermal runaway prevents are paid, so that no one gains by it.

        Each as if the sensor showed the limit, `RUNAWAY_C`, and all who ran then stood still.
        """
        return RewardTerms(
            -steps * self.per_kelvin * (RUNAWAY_C - self.reference_c),
            -steps * self.per_miss * running,
        )


def shortfall(observation: Observation) -> float:
    """How far the applications are below their targets, 1 for each that stands still.

    >>> from platforms.platform import ApplicationReading
    >>> half = ApplicationReading(0, "half", 1e9, 0.475e9, 0.0, (0,), 1)
    >>> shortfall(Observation(1.0, 0.05, (half,), (0,), (0,), (1.0,), ()))
    0.5
    """
    return sum(
        max(0.0, 1.0 - app.rate_ips / (MISS_BELOW * app.target_ips))
        for app in observation.applications
    )
