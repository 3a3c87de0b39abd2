"""How long a policy's decisions take, in units of something measured between them.

Wall times belong to the machine and its load: they are no part of an episode's outcome, and only
their ratio to `ReferencePass`, taken in the same run, can be compared.
"""

import time
from collections.abc import Callable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.platform import Migration, Observation
from rm.policy import Policy

Clock = Callable[[], float]


class DecisionTimes(Struct, frozen=True, kw_only=True):
    """The wall times of one episode's decisions, seconds: medians and 99th percentiles.

    `migrate` is the policy's answer once a migration period, `scale` the one once a DVFS period,
    `reference` the `ReferencePass` that was timed after every migration decision.
    """

    policy: str
    cooling: str
    seed: int
    migrate_median_s: float
    migrate_p99_s: float
    scale_median_s: float
    scale_p99_s: float
    reference_median_s: float


class ReferencePass:
    """A forward pass through TOP-IL's network on the HiKey 970, in plain numpy (float32).

    21 features, 4 hidden layers of 64 with ReLU, 8 outputs (the shape that the paper's network has,
    as recalled); 8 rows, one for each of eight applications. The weights do not matter.
    """

    SHAPE = (21, 64, 64, 64, 64, 8)
    ROWS = 8

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._layers = [
            rng.normal(0.0, wide**-0.5, (wide, narrow)).astype(np.float32)
            for wide, narrow in zip(self.SHAPE, self.SHAPE[1:], strict=False)
        ]
        self._rows = rng.random((self.ROWS, self.SHAPE[0]), dtype=np.float32)

    def __call__(self) -> NDArray[np.float32]:
        """One pass; scores (8 rows, 8 outputs)."""
        values = self._rows
        for layer in self._layers[:-1]:
            values = np.maximum(values @ layer, 0.0)
        scores: NDArray[np.float32] = values @ self._layers[-1]
        return scores


class TimedPolicy:
    """A policy whose answers are timed; it decides as the policy within."""

    def __init__(
        self,
        policy: Policy,
        *,
        clock: Clock = time.perf_counter,
        reference: Callable[[], object] | None = None,
    ) -> None:
        """`clock` gives seconds; `reference` is what the decisions are compared with."""
        self.name = policy.name
        self._policy = policy
        self._clock = clock
        self._reference = reference or ReferencePass()
        self._migrate_s: list[float] = []
        self._scale_s: list[float] = []
        self._reference_s: list[float] = []

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The policy's migrations."""
        begun_s = self._clock()
        found = self._policy.migrate(observation)
        ended_s = self._clock()
        self._reference()
        self._reference_s.append(self._clock() - ended_s)
        self._migrate_s.append(ended_s - begun_s)
        return found

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The policy's operating points."""
        begun_s = self._clock()
        found = self._policy.scale(observation)
        self._scale_s.append(self._clock() - begun_s)
        return found

    def times(self, *, cooling: str, seed: int) -> DecisionTimes:
        """What was measured; zeros where nothing was decided."""
        return DecisionTimes(
            policy=self.name,
            cooling=cooling,
            seed=seed,
            migrate_median_s=_quantile(self._migrate_s, 0.5),
            migrate_p99_s=_quantile(self._migrate_s, 0.99),
            scale_median_s=_quantile(self._scale_s, 0.5),
            scale_p99_s=_quantile(self._scale_s, 0.99),
            reference_median_s=_quantile(self._reference_s, 0.5),
        )


def _quantile(values: list[float], share: float) -> float:
    return float(np.quantile(values, share)) if values else 0.0
