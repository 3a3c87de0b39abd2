"""A back end whose code may hang, crash or lie: it runs in another process, and the CPU covers it.

Every call is answered within the deadline and the time that the CPU takes. Who is late, crashes, or
is wrong on the canary row is killed; the call is answered by the fallback, and so are all until
the process, started again after a pause that doubles from failure to failure, says that it is
ready.

A decision may take several calls. Where the owner tends the back end once a period (`tend`), all
calls of a period share one deadline: what is left of it goes to the fallback, so that a back end
that is slow but never late does not hold the owner up either.
"""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from npu_runtime.backend import Backend, Capabilities, Rows
from npu_runtime.canary import TOLERANCE, Canary
from npu_runtime.isolated_process import Crashed, IsolatedProcess, Late, Wrong, reaped
from npu_runtime.isolation_messages import most_rows
from npu_runtime.policy_file import PolicyFile

DEADLINE_S = 0.05
"""A tenth of the migration period."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0

WELL_AFTER_S = 60.0
"""Who answered for this long before it failed starts again after the first pause (chosen: as long
as the longest pause, so that a back end that fails in between is never the usual one)."""

START_S = 10.0
"""The longest that a back end may take to load its policy (chosen: NPU drivers take seconds)."""

_MARGIN, _LEAST_LEFT = 1.5, 0.5
"""What must be left of a period's deadline for one more call: half as long again as the last one
took, and half of the deadline, so that nobody is late for a moment's delay (chosen)."""

_MOST_UNDEAD = 8
"""Killed processes that do not die, stuck in a driver: no more are started beside so many."""

_logger = logging.getLogger(__name__)


@dataclass
class Counts:
    """Calls that the isolated back end answered and the fallback answered, failures, restarts."""

    answers: int = 0
    by_fallback: int = 0
    late: int = 0
    crashed: int = 0
    wrong: int = 0
    restarts: int = 0


class IsolatedBackend:
    """A `Backend` that never fails and is never late, as long as the fallback is not.

    `name` is that of the back end (see `load.backend_named`), `fallback` one that takes any batch
    and runs in this process; it is warmed up here. `clock` gives monotonic seconds for the pauses;
    deadlines are real time. The process starts at once, but nothing waits for it.
    """

    def __init__(
        self,
        name: str,
        file: PolicyFile,
        *,
        fallback: Backend,
        deadline_s: float = DEADLINE_S,
        canary_tolerance: float = TOLERANCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.fallback = fallback
        self.counts = Counts()
        self.degraded: str | None = None
        self._file = file
        self._deadline_s = deadline_s
        self._clock = clock
        self._canary = Canary(file, tolerance=canary_tolerance)
        widths = len(file.metadata.features), len(file.metadata.outputs)
        self.input_shape, self.output_shape = ((None, width) for width in widths)
        self._most_rows = most_rows(*widths) - 1
        self._process: IsolatedProcess | None = None
        self._able: Capabilities | None = None
        self._since_s = clock()
        self._pause_s = FIRST_PAUSE_S
        self._undead: list[int] = []
        self._left_s: float | None = None
        self._last_s = 0.0
        fallback.warm_up(1)
        fallback.warm_up(8)
        self._start()

    @property
    def capabilities(self) -> Capabilities:
        """Those of who answers at present; any number of rows goes."""
        able = self.able or self.fallback.capabilities
        device = f"{able.device}, isolated" if self.able else able.device
        return Capabilities(
            name=able.name,
            version=able.version,
            device=device,
            precision=able.precision,
            max_batch=None,
            dynamic_batch=True,
        )

    @property
    def able(self) -> Capabilities | None:
        """Those of the isolated back end, where it will be asked next."""
        return self._able

    @property
    def ready(self) -> bool:
        """Whether the isolated back end will be asked next."""
        return self.able is not None

    @property
    def given_up(self) -> bool:
        """Whether it is not started again: it was closed, or did not pass a trial."""
        return math.isinf(self._pause_s)

    @property
    def pid(self) -> int | None:
        """The process in which it runs, if there is one."""
        return None if self._process is None else self._process.pid

    def run(self, rows: Rows) -> Rows:
        """The scores of `rows`, within the deadline and the fallback's own time."""
        self._greet()
        scores = self._asked(rows) if self.able and self._has_time() else None
        if scores is None:
            scores = self.fallback.run(rows)
            self.counts.by_fallback += 1
        if self._left_s is None:  # nobody tends it
            self._prove()
        self._revive()
        return scores

    def warm_up(self, batch: int) -> None:
        """Warm the fallback up; the isolated back end is warm before it says that it is ready."""
        self.fallback.warm_up(batch)

    def tend(self) -> None:
        """See to the process between two periods: is it ready, is a restart due.

        Costs microseconds. All calls until the next one may wait for one deadline altogether.
        """
        self._left_s = self._deadline_s
        self._greet()
        self._prove()
        self._revive()

    def wait_until_ready(self, within_s: float) -> bool:
        """Wait, in real time, for the back end to be ready; for start-up and for tests."""
        until_s = time.monotonic() + within_s
        while not (self.ready or self.given_up) and (left_s := until_s - time.monotonic()) > 0:
            if self._process is None:
                time.sleep(min(0.01, left_s))
            self._greet(within_s=left_s)
            self._prove()
            self._revive()
        return self.ready

    def close(self) -> None:
        """Kill the process and close the fallback; waits 50 ms at most for the kernel to do so."""
        self._let_go()
        self._pause_s = math.inf
        until_s = time.monotonic() + 0.05
        while self._bury() and time.monotonic() < until_s:
            time.sleep(0.001)
        self.fallback.close()

    # --- asking ---------------------------------------------------------------------------------

    def _has_time(self) -> bool:
        """Whether one more call fits into what this period's calls may wait."""
        if self._left_s is None:
            return True
        return self._left_s >= max(_MARGIN * self._last_s, _LEAST_LEFT * self._deadline_s)

    def _asked(self, rows: Rows) -> Rows | None:
        """The back end's scores, checked; None where it failed, which is then seen to."""
        begun_s = time.monotonic()
        until_s = begun_s + (self._deadline_s if self._left_s is None else self._left_s)
        starts = range(0, len(rows), self._most_rows)
        try:
            pieces = [self._piece(rows[i : i + self._most_rows], until_s) for i in starts]
        except (Late, Crashed, Wrong) as failure:
            self._failed(failure)
            return None
        self.counts.answers += 1
        self._last_s = time.monotonic() - begun_s
        if self._left_s is not None:
            self._left_s -= self._last_s
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _piece(self, rows: Rows, until_s: float) -> Rows:
        if self._process is None:
            raise Crashed("it is not there")
        scores = self._process.ask(self._canary.added_to(rows), until_s)
        problem = self._canary.problem(scores)
        if problem is None and not np.isfinite(scores).all():
            problem = "its scores must be finite"
        if problem is not None:
            raise Wrong(problem)
        return scores[:-1]

    # --- the process's life ---------------------------------------------------------------------

    def _start(self) -> None:
        self._since_s = self._clock()
        try:
            self._process = IsolatedProcess(self.name, self._file)
        except OSError as error:
            self._failed(Crashed(f"it cannot be started: {error}"))

    def _greet(self, within_s: float = 0.0) -> None:
        """Notice that a process that was started is ready, or that it takes too long."""
        if self._process is None or self._able is not None:
            return
        try:
            self._able = self._process.hello(within_s)
            if self._able is None and self._clock() - self._since_s > START_S:
                raise Late(f"it was not ready {START_S:g} s after its start")
        except (Late, Crashed, Wrong) as failure:
            self._failed(failure)
        if self._able is not None:
            self._since_s = self._clock()
            self.degraded = None
            _logger.info("back end %s is ready on %s", self.name, self._able.device)

    def _prove(self) -> None:
        """Do what is due before it may answer: here nothing, and never more than one call."""

    def _failed(self, failure: Late | Crashed | Wrong) -> None:
        """Count it, end the process, and set the pause until it is started again."""
        kind = type(failure).__name__.lower()
        setattr(self.counts, kind, getattr(self.counts, kind) + 1)
        now_s = self._clock()
        if self._able is not None and now_s - self._since_s >= WELL_AFTER_S:
            self._pause_s = FIRST_PAUSE_S
        self._let_go()
        self.degraded = f"back end {self.name}: {kind}: {failure}; {self._substitute()} answers"
        _logger.warning("%s; it is started again in %g s", self.degraded, self._pause_s)
        self._since_s = now_s

    def _substitute(self) -> str:
        able = self.fallback.capabilities
        return f"{able.name} on {able.device}"

    def _let_go(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._undead.append(self._process.pid)
        self._process = self._able = None
        self._last_s = 0.0
        self._bury()

    def _bury(self) -> bool:
        """Reap who is dead; whether anybody is left."""
        self._undead = [pid for pid in self._undead if not reaped(pid)]
        return bool(self._undead)

    def _revive(self) -> None:
        """Start the process again when its pause is over."""
        if self._process is not None or self._clock() - self._since_s < self._pause_s:
            return
        self._bury()
        if len(self._undead) >= _MOST_UNDEAD:
            return
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        self.counts.restarts += 1
        self._start()
