"""An accelerator that was found, not asked for: the CPU answers until it has proved itself.

Once a period, when the owner tends it, it is asked for the policy's known rows, within the usual
deadline, and so is the CPU. After `CALLS` periods it answers the governor, if its scores were right
and its calls short; else it is let go of, and the CPU stays. A process that was started again has
to prove itself again.
"""

import logging
import math
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

from npu_runtime.backend import Backend, Capabilities, score_range
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.policy_file import PolicyFile, Precision
from npu_runtime.precision import coarser

CALLS = 5
"""Periods on trial (chosen): 2.5 s at the governor's usual period."""

OF_THE_DEADLINE = 0.5
"""The median call may take this share of the deadline (chosen): what is always nearly late would
be late now and then."""

_logger = logging.getLogger(__name__)


class BackendOnTrial(IsolatedBackend):
    """An isolated back end that answers once it has proved itself; `why` tells how it stands.

    `found` says what of it was found on the machine, `tolerances` how far scores may be off, as a
    share of their range.
    """

    def __init__(
        self,
        name: str,
        file: PolicyFile,
        *,
        found: str,
        tolerances: Mapping[Precision, float],
        fallback: Backend,
        deadline_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._found = found
        self._rows, self._expected = file.metadata.parity_rows()
        self._of_file = file.metadata.precision or "float32"
        self._tolerances = tolerances
        self._times_s: list[tuple[float, float]] = []
        self._proof: str | None = None
        self._refusal: str | None = None
        super().__init__(name, file, fallback=fallback, deadline_s=deadline_s, clock=clock)

    @property
    def able(self) -> Capabilities | None:
        """Those of the accelerator, once it has proved itself."""
        return None if self._proof is None else super().able

    @property
    def why(self) -> str:
        """Why it answers, or the CPU does."""
        found = f"auto: {self.name}: {self._found}"
        if self._refusal is not None:
            return f"{found}; not used: {self._refusal}"
        if self._proof is not None:
            return f"{found}; {self._proof}"
        return f"{found}; on trial, {self._substitute()} answers"

    def _prove(self) -> None:
        """A step of the trial, if there is one to do: one call, within the deadline."""
        able = self._able
        if able is None or self._proof is not None or self._refusal is not None:
            return
        begun_s = time.monotonic()
        scores = self._asked(self._rows)
        took_s = time.monotonic() - begun_s
        if scores is None:  # it has failed, which is counted, told, and followed by a restart
            return
        off = float(np.abs(scores - self._expected).max()) / self._range
        tolerance = self._tolerances[coarser(self._of_file, able.precision)]
        if not off <= tolerance:
            self._refuse(
                f"its scores of the policy's known rows must be within {tolerance:g} of their "
                f"range (got {off:.2g})"
            )
            return
        self._times_s.append((took_s, self._time_of_the_cpu()))
        if len(self._times_s) >= CALLS:
            self._judge(off)

    @property
    def _range(self) -> float:
        expected = self._expected
        return score_range(expected)

    def _time_of_the_cpu(self) -> float:
        begun_s = time.monotonic()
        self.fallback.run(self._rows)
        return time.monotonic() - begun_s

    def _judge(self, off: float) -> None:
        took_ms, cpu_ms = (
            1e3 * statistics.median(times) for times in zip(*self._times_s, strict=True)
        )
        most_ms = 1e3 * OF_THE_DEADLINE * self._deadline_s
        measured = (
            f"{took_ms:.2g} ms for {len(self._rows)} rows once a period, the CPU {cpu_ms:.2g} ms"
        )
        if took_ms > most_ms:
            self._refuse(f"a call must take at most {most_ms:.2g} ms (got {measured})")
            return
        self._proof = f"its scores are within {off:.1g} of their range, {measured}"
        _logger.info("%s", self.why)

    def _refuse(self, reason: str) -> None:
        """Let go of it for good: another start would show the same."""
        self._refusal = reason
        self._let_go()
        self._pause_s = math.inf
        _logger.warning("%s", self.why)

    def _let_go(self) -> None:
        self._times_s, self._proof = [], None
        super()._let_go()
