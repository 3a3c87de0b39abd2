"""An application while it runs on the simulated board: its progress, phase and present speed."""

import math

from msgspec import Struct

from platforms.application import Job
from platforms.platform import ApplicationReading
from platforms.simulated.performance import Placed


class RunningApplication:
    """Progress is kept as a point and a rate, so that time passes without touching it."""

    __slots__ = (
        "_done",
        "_phase",
        "_phase_left",
        "_seen",
        "_since_s",
        "cores",
        "job",
        "rate_ips",
        "start_s",
    )

    def __init__(self, job: Job, cores: tuple[int, ...], now_s: float) -> None:
        """Start `job` on `cores` at `now_s`."""
        self.job = job
        self.cores = cores
        self.start_s = now_s
        self.rate_ips = 0.0
        self._since_s = now_s
        self._done = 0.0
        self._seen = 0.0
        self._phase = 0
        self._phase_left = job.profile.cycle[0].instructions

    def place(self, threads_on: tuple[int, ...]) -> Placed:
        """The application as the performance model sees it, its threads on these cores."""
        phase = self.job.profile.cycle[self._phase]
        scales = phase.cpi_scale, phase.stall_scale
        return Placed(self.job.profile, *scales, threads_on, phase.activity_scale)

    @property
    def phase(self) -> int:
        """Index of the present phase."""
        return self._phase

    def done(self, now_s: float) -> float:
        """Instructions retired by `now_s`."""
        return self._done + self.rate_ips * (now_s - self._since_s)

    def catch_up(self, now_s: float) -> None:
        """Book the progress since the last change, before the rate changes."""
        gained = self.rate_ips * (now_s - self._since_s)
        self._done += gained
        self._phase_left -= gained
        self._since_s = now_s

    def lose(self, seconds: float) -> None:
        """Take back the work of `seconds` at the present rate: the cost of a migration.

        Readings do not count backwards: until the work is done again they show none.
        """
        lost = min(self.rate_ips * seconds, self._done)
        self._done -= lost
        self._phase_left += lost

    def finished(self) -> bool:
        """Whether all work is done, to within an instruction or the clock's resolution."""
        return self.job.instructions - self._done <= self._nothing

    def turn_phase(self) -> bool:
        """Go to the next phase when the present one is used up; True if so."""
        if self._phase_left > self._nothing:
            return False
        cycle = self.job.profile.cycle
        self._phase = (self._phase + 1) % len(cycle)
        self._phase_left += cycle[self._phase].instructions
        return True

    @property
    def _nothing(self) -> float:
        """Instructions too few to wait for: one, or what the clock's last digit is worth."""
        return max(1.0, 2.0 * math.ulp(self._since_s) * self.rate_ips)

    def next_event_s(self) -> float:
        """When the present phase or the work ends, at the present rate."""
        left = min(self._phase_left, self.job.instructions - self._done)
        if self.rate_ips <= 0.0 or math.isinf(left):
            return math.inf
        return self._since_s + left / self.rate_ips

    def read(self, now_s: float, window_start_s: float) -> ApplicationReading:
        """Counters since the last reading, as rates."""
        done = self.done(now_s)
        window_s = now_s - max(window_start_s, self.start_s)
        gained = done - self._seen
        if gained > 0.0:
            self._seen = done
        else:
            gained = 0.0
        rate = gained / window_s if window_s > 1e-9 else self.rate_ips
        job = self.job
        return ApplicationReading(
            job.id,
            job.profile.name,
            job.target_ips,
            rate,
            rate * job.profile.l2d_per_instruction,
            self.cores,
            job.threads,
        )

    def record(self, now_s: float) -> "LifeRecord":
        """What came of it by `now_s`."""
        end_s = now_s if self.finished() else None
        return LifeRecord(self.job, self.start_s, end_s, now_s, self.done(now_s))


class LifeRecord(Struct, frozen=True):
    """The life of an application: `end_s` is None while it still runs at `seen_s`."""

    job: Job
    start_s: float
    end_s: float | None
    seen_s: float
    instructions: float

    @property
    def mean_ips(self) -> float:
        """Mean rate over its life so far (the present target when it has not lived yet)."""
        life_s = self.seen_s - self.start_s
        return self.instructions / life_s if life_s > 0 else self.job.target_ips
