"""Two ways to give a clock its frequency, behind one protocol.

`SetSpeed` takes the governor's place: exact, but idle cores keep the frequency and, as the kernel's
energy-aware scheduling needs schedutil everywhere, that is off meanwhile. `Cap` leaves the governor
and only lowers its upper limit: energy-aware scheduling stays, but the governor may run slower than
asked.

What is journaled is only what is written. An upper limit or a speed that is read while the kernel
throttles is the kernel's, not the user's, and must never be restored: `take` refuses then.
"""

from typing import Protocol

from platforms.linux.clocks.clock_domain import ClockDomain, DomainReading
from platforms.linux.errors import Unreadable, WriteRefused
from platforms.linux.knobs.knobs import KnobWriter


class Actuator(Protocol):
    """Steers one frequency domain. Methods raise WriteRefused and JournalUnusable.

    `reading_tells_all`: `allowed_hz` is the same as long as the reading is.
    """

    reading_tells_all: bool

    @property
    def domain(self) -> ClockDomain:
        """What is steered."""
        ...

    @property
    def asked_hz(self) -> int | None:
        """The frequency written last; None before the first one and after `forget`."""
        ...

    def take(self, writer: KnobWriter) -> None:
        """Journal all knobs that will be written, with one wait for the disk; then take them."""
        ...

    def set(self, writer: KnobWriter, freq_hz: int) -> int | None:
        """Ask for a frequency; return what the knob reads then, None if nothing was to be written.

        Only what differs from the last is written. Under `Cap` the kernel applies a limit a moment
        later, so that the knob may still read the old one.
        """
        ...

    def allowed_hz(self, reading: DomainReading) -> int:
        """Return the highest frequency that the kernel, and the user's own limit, allow now."""
        ...

    def holds(self, reading: DomainReading) -> bool:
        """Whether a reading agrees with what was asked, as far as the kernel's cap lets it."""
        ...

    def forget(self) -> None:
        """Write at the next `set` whatever it is: someone else, or unplugging, has undone it."""
        ...


class SetSpeed:
    """``scaling_setspeed``, of devfreq ``set_freq``, under the governor ``userspace``."""

    reading_tells_all = True

    def __init__(self, domain: ClockDomain) -> None:
        self.domain = domain
        self.asked_hz: int | None = None
        self._governor = f"{domain.path}/{domain.knobs.governor}"
        self._speed = f"{domain.path}/{domain.knobs.speed}"

    def take(self, writer: KnobWriter) -> None:
        """Journal governor and speed, then switch to ``userspace``."""
        if "userspace" not in self.domain.governors:
            raise _refused(
                self._governor,
                f"offer userspace (got {' '.join(self.domain.governors) or 'none'}); "
                "modprobe cpufreq_userspace, or actuator = 'cap'",
            )
        is_set = _read(self.domain).governor == "userspace"
        if is_set:
            _refuse_while_throttled(self.domain, self._speed)
        self.forget()
        comes = self.domain.knobs.speed_comes and not is_set
        writer.remember((self._governor,) if comes else (self._governor, self._speed))
        _must_read(self._governor, "userspace", writer.write(self._governor, "userspace"))

    def set(self, writer: KnobWriter, freq_hz: int) -> int | None:
        """Ask for a frequency; return what the clock has then, None if nothing was written."""
        if freq_hz == self.asked_hz:
            return None
        self.asked_hz = None  # until the kernel has taken it
        unit_hz = self.domain.knobs.hz
        now = _hz(writer.write(self._speed, str(freq_hz // unit_hz)), unit_hz)
        self.asked_hz = freq_hz
        return now

    def allowed_hz(self, reading: DomainReading) -> int:
        """Return the highest frequency that the limits allow now."""
        return reading.max_hz

    def holds(self, reading: DomainReading) -> bool:
        """Whether ``userspace`` is in force with the asked frequency, within the limits."""
        if self.asked_hz is None:
            return True
        if reading.set_hz is not None:  # what the hardware makes of it is not another's doing
            return reading.governor == "userspace" and reading.set_hz == self.asked_hz
        wanted_hz = max(reading.min_hz, min(self.asked_hz, reading.max_hz))
        return reading.governor == "userspace" and reading.freq_hz == wanted_hz

    def forget(self) -> None:
        """Write at the next `set` whatever it is."""
        self.asked_hz = None


class Cap:
    """``scaling_max_freq``, and ``scaling_min_freq`` where it is in the way; the governor stays.

    Its files are called ``max_freq`` and ``min_freq`` in devfreq. The user's own limits, as they
    were at `take`, are never left.
    """

    reading_tells_all = False

    def __init__(self, domain: ClockDomain) -> None:
        self.domain = domain
        self.asked_hz: int | None = None
        self._min = f"{domain.path}/{domain.knobs.lowest}"
        self._max = f"{domain.path}/{domain.knobs.highest}"
        self._user_min_hz = domain.freqs_hz[0]
        self._user_max_hz = domain.freqs_hz[-1]
        self._min_hz = domain.freqs_hz[0]

    def take(self, writer: KnobWriter) -> None:
        """Journal both limits. Nothing is written before the first `set`."""
        reading = _read(self.domain)
        old_max = writer.old(self._max)
        if old_max is None:
            _refuse_while_throttled(self.domain, self._max, reading.max_hz)
        self.forget()
        writer.remember((self._min, self._max))
        unit_hz = self.domain.knobs.hz
        self._user_max_hz = _hz(writer.old(self._max) or "", unit_hz) or reading.max_hz
        self._user_min_hz = _hz(writer.old(self._min) or "", unit_hz) or reading.min_hz

    def set(self, writer: KnobWriter, freq_hz: int) -> int | None:
        """Move the limits, in the order that keeps the lower one below the upper one."""
        if freq_hz == self.asked_hz:
            return None
        rising = self.asked_hz is not None and freq_hz > self.asked_hz
        self.asked_hz = None  # until the kernel has taken it
        max_hz = min(freq_hz, self._user_max_hz)
        if not rising:
            self._set_min(writer, max_hz)
        unit_hz = self.domain.knobs.hz
        now = _hz(writer.write(self._max, str(max_hz // unit_hz)), unit_hz)
        self._set_min(writer, max_hz)
        self.asked_hz = freq_hz
        return now

    def allowed_hz(self, reading: DomainReading) -> int:
        """Return the highest frequency that the kernel's thermal governor allows now.

        ``scaling_max_freq`` would tell ilgov's own limit, so the cooling device is asked. Where it
        does not tell, the limit that is in force is the best that is known.
        """
        cap_hz: int | None = self.domain.freqs_hz[-1]
        if self.domain.cooling is not None:
            try:
                cap_hz = self.domain.cooling.read_cap_hz()
            except Unreadable:
                cap_hz = None
        return min(reading.max_hz if cap_hz is None else cap_hz, self._user_max_hz)

    def holds(self, reading: DomainReading) -> bool:
        """Whether the upper limit is the asked one, or lower while the kernel caps."""
        if self.asked_hz is None:
            return True
        return reading.max_hz == min(self.asked_hz, self.allowed_hz(reading))

    def forget(self) -> None:
        """Write at the next `set` whatever it is."""
        self.asked_hz = None
        self._min_hz = -1

    def _set_min(self, writer: KnobWriter, max_hz: int) -> None:
        wanted_hz = min(self._user_min_hz, max_hz)
        if wanted_hz != self._min_hz:
            self._min_hz = -1
            writer.write(self._min, str(wanted_hz // self.domain.knobs.hz))
            self._min_hz = wanted_hz


def _read(domain: ClockDomain) -> DomainReading:
    try:
        return domain.read()
    except Unreadable as error:
        raise WriteRefused(str(error)) from error


def _refuse_while_throttled(domain: ClockDomain, path: str, max_hz: int = 0) -> None:
    """Raise WriteRefused if what `path` reads may be the kernel's doing, not the user's."""
    if domain.cooling is None or max_hz >= domain.freqs_hz[-1]:
        return
    try:
        state = domain.cooling.read_state()
    except Unreadable as error:
        raise WriteRefused(str(error)) from error
    if state:
        raise _refused(
            path,
            f"be the user's own value to be restored later (got one that the kernel's thermal "
            f"governor has lowered, cooling state {state}); wait until it has cooled down",
        )


def _must_read(path: str, wanted: str, now: str) -> None:
    if now != wanted:
        raise _refused(path, f"read {wanted!r} after it was written (got {now!r})")


def _refused(path: str, must: str) -> WriteRefused:
    return WriteRefused(f"{path} must {must}")


def _hz(text: str, unit_hz: int) -> int:
    """Return a frequency read from a knob; 0 where it is no number.

    >>> _hz("1844000", 1000)
    1844000000
    >>> _hz("<unsupported>", 1000)
    0
    """
    return int(text) * unit_hz if text.isdigit() else 0
