"""What a governor touches, touched once on the guest's real kernel.

These checks are about the rig itself: they say that its kernel has what the daemon is tested with.
"""

import ctypes
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.rig.checklist import Checklist
from tests.rig.registers import Registers

CHECKS = Checklist()

_CPU = Path("/sys/devices/system/cpu")
_ZONES = Path("/sys/class/thermal")
_PMUS = Path("/sys/bus/event_source/devices")
_GROUP = Path("/sys/fs/cgroup/rig-check")

_PERF_EVENT_OPEN = 241  # on arm64
_SOFTWARE, _TASK_CLOCK = 1, 1
_CYCLES, _INSTRUCTIONS, _L2_ACCESSES = 0x11, 0x08, 0x16
_ENABLED_AND_RUNNING = 3


def read(path: Path) -> str:
    """A file's text."""
    return path.read_text().strip()


def write(path: Path, value: object) -> None:
    """Write as the kernel wants it: all at once, nothing created."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, str(value).encode())
    finally:
        os.close(descriptor)


def refused(path: Path, value: object) -> bool:
    """Whether the kernel refuses a value."""
    try:
        write(path, value)
    except OSError:
        return True
    return False


def comes_true(path: Path, wanted: str, *, within_s: float = 2.0) -> bool:
    """Whether a file shows a value in time."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if read(path) == wanted:
            return True
        time.sleep(0.02)
    return False


def policies() -> list[Path]:
    """The cpufreq policies, in the order of their cores."""
    return sorted((_CPU / "cpufreq").glob("policy*"), key=lambda path: int(path.name[6:]))


def frequencies(policy: Path) -> list[str]:
    """What a policy can be set to, in kHz."""
    return read(policy / "scaling_available_frequencies").split()


@contextmanager
def busy_child() -> Iterator[int]:
    """The pid of a process that computes."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            time.sleep(0.2)
            yield child.pid
        finally:
            child.kill()


@CHECKS.add
def there_are_two_policies_of_four_cores() -> object:
    """The board's clusters, as cpufreq sees them."""
    cores = [read(policy / "related_cpus") for policy in policies()]
    assert ["0 1 2 3", "4 5 6 7"] == cores
    return cores


@CHECKS.add
def capacities_tell_big_from_little() -> object:
    """What the scheduler places by."""
    capacities = [int(read(_CPU / f"cpu{core}" / "cpu_capacity")) for core in range(8)]
    assert [382] * 4 + [1024] * 4 == capacities
    return capacities


@CHECKS.add
def the_programmed_frequency_is_the_one_that_was_set() -> object:
    """From the governor's file to the hardware's register, at every operating point."""
    registers = Registers()
    for domain, policy in enumerate(policies()):
        write(policy / "scaling_governor", "userspace")
        for freq_khz in frequencies(policy):
            write(policy / "scaling_setspeed", freq_khz)
            assert freq_khz == read(policy / "scaling_cur_freq")
            assert 1000 * int(freq_khz) == registers.freq_hz(domain)
        write(policy / "scaling_governor", "schedutil")
    return [frequencies(policy) for policy in policies()]


@CHECKS.add
def a_limit_takes_effect_later_than_it_is_written() -> object:
    """The kernel applies it from a work item."""
    policy = policies()[0]
    write(policy / "scaling_governor", "performance")
    low, top = frequencies(policy)[2], frequencies(policy)[-1]
    write(policy / "scaling_max_freq", low)
    assert comes_true(policy / "scaling_cur_freq", low)
    write(policy / "scaling_max_freq", top)
    assert comes_true(policy / "scaling_cur_freq", top)
    write(policy / "scaling_governor", "schedutil")
    return f"{low} and back to {top}"


@CHECKS.add
def rubbish_is_refused() -> object:
    """As on every kernel: EINVAL."""
    policy = policies()[0]
    assert refused(policy / "scaling_max_freq", "fast")
    assert refused(policy / "scaling_governor", "nosuch")
    return "both"


@CHECKS.add
def a_zone_shows_what_the_register_says() -> object:
    """In steps of 0.2 K; a reading that is not valid is an error."""
    registers, zone = Registers(), _ZONES / "thermal_zone0"
    registers.show(0, 61.4)
    assert "61400" == read(zone / "temp")
    registers.show(0, None)
    try:
        assert not read(zone / "temp"), "a failing sensor must not be readable"
    except OSError as error:
        seen = str(error)
    registers.show(0, 40.0)
    return seen


@CHECKS.add
def the_kernel_throttles_above_the_trip_and_lets_go_below() -> object:
    """Its own protection acts behind the governor's back, through `scaling_max_freq`."""
    registers = Registers()
    devices = sorted(_ZONES.glob("cooling_device*"))
    for temp_c in range(86, 120, 4):  # it takes a step while the temperature rises
        registers.show(0, temp_c)
        time.sleep(0.3)
    states = [read(device / "cur_state") for device in devices]
    limits = [read(policy / "scaling_max_freq") for policy in policies()]
    registers.show(0, 40.0)
    for policy, limit in zip(policies(), limits, strict=True):
        assert int(limit) < int(frequencies(policy)[-1])
        assert comes_true(policy / "scaling_max_freq", frequencies(policy)[-1], within_s=12.0)
    return [read(device / "type") for device in devices], states, limits


@CHECKS.add
def a_process_can_be_placed() -> object:
    """By its affinity; the kernel tells where it ran, and for how long."""
    with busy_child() as pid:
        os.sched_setaffinity(pid, {5})
        time.sleep(0.3)
        core = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[36]
        assert "5" == core
        before = int(read(Path(f"/proc/{pid}/schedstat")).split()[0])
        time.sleep(0.3)
        assert int(read(Path(f"/proc/{pid}/schedstat")).split()[0]) > before
    return f"on core {core}"


@CHECKS.add
def a_cpuset_confines_a_process() -> object:
    """And no affinity leads out of it."""
    write(Path("/sys/fs/cgroup/cgroup.subtree_control"), "+cpuset +cpu")
    _GROUP.mkdir(exist_ok=True)
    write(_GROUP / "cpuset.cpus", "0-3")
    with busy_child() as pid:
        write(_GROUP / "cgroup.procs", pid)
        assert {0, 1, 2, 3} == os.sched_getaffinity(pid)
        try:
            os.sched_setaffinity(pid, {5})
            raise AssertionError("the kernel must refuse a core outside the cpuset")
        except OSError as error:
            return str(error)


@CHECKS.add
def a_core_goes_and_comes_back() -> object:
    """Hotplug; its policy forgets it meanwhile."""
    policy, online = policies()[-1], _CPU / "cpu7" / "online"
    write(online, 0)
    gone = read(policy / "affected_cpus")
    write(online, 1)
    assert "4 5 6" == gone
    assert comes_true(policy / "affected_cpus", "4 5 6 7")
    return gone


@CHECKS.add
def every_core_type_has_counters_of_its_own() -> object:
    """They count on their own cores only, as on boards; the emulator knows no cache."""
    found = {}
    for pmu in sorted(_PMUS.glob("armv8*")):
        home, away = _cores_of(pmu)
        for event in (_CYCLES, _INSTRUCTIONS):
            counted = [_count(int(read(pmu / "type")), event, core) for core in (home, away)]
            assert counted[0] > 0, f"{pmu.name} must count on core {home}"
            assert counted[1] == 0, f"{pmu.name} must not count on core {away}"
            found[f"{pmu.name} {event:#x}"] = counted[0]
    assert 4 == len(found)
    return found


@CHECKS.add
def software_events_count() -> object:
    """Even where there is no hardware to count."""
    counted = _count(_SOFTWARE, _TASK_CLOCK, 0)
    assert counted > 0
    return f"{counted} ns"


@CHECKS.add
def events_that_the_hardware_lacks_are_refused() -> object:
    """ENOENT: the daemon has to go without."""
    pmu = min(_PMUS.glob("armv8*"))
    try:
        os.close(_open_event(int(read(pmu / "type")), _L2_ACCESSES))
    except FileNotFoundError as error:
        return str(error)
    return "accepted, which real boards do as well"


def _cores_of(pmu: Path) -> tuple[int, int]:
    """A core that a PMU is for, and one that it is not for."""
    first, _, last = read(pmu / "cpus").partition("-")
    own = range(int(first), int(last or first) + 1)
    return own[0], next(core for core in range(8) if core not in own)


def _open_event(kind: int, config: int) -> int:
    attributes = bytearray(128)
    struct.pack_into("IIQQQQ", attributes, 0, kind, 128, config, 0, 0, _ENABLED_AND_RUNNING)
    buffer = (ctypes.c_char * 128).from_buffer(attributes)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.syscall(_PERF_EVENT_OPEN, buffer, 0, -1, -1, 0)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def _count(kind: int, config: int, core: int) -> int:
    """How many events a little work on a core makes."""
    before = os.sched_getaffinity(0)
    descriptor = _open_event(kind, config)
    try:
        os.sched_setaffinity(0, {core})
        start = struct.unpack("QQQ", os.read(descriptor, 24))[0]
        sum(range(20_000))
        return int(struct.unpack("QQQ", os.read(descriptor, 24))[0] - start)
    finally:
        os.close(descriptor)
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    sys.exit(any(CHECKS.run(Path("/out/guest_check.json")).values()))
