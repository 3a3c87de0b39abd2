"""How long the daemon takes to react to faults: ``python -m benchmarks.fault_reactions``.

The real daemon as a process of its own on a fake root, with its default settings unless said. Each
fault is caused three times in new daemons; the table shows the median and the longest, in seconds.
`docs/daemon.md` quotes it. What the kernel or systemd adds is measured elsewhere (`tests/rig`,
`tests/rm/daemon/test_under_systemd.py`).
"""

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rm.policies.shipped_files import shipped
from tests.rm.daemon.running_daemon import LivingApplications, RunningDaemon

CPUFREQ = "/sys/devices/system/cpu/cpufreq/policy4"
TIMES = 3
PATIENCE_S = 60.0
LOOK_S = 0.002

Fault = Callable[[RunningDaemon], float]
"""Causes a fault in a daemon that steers; seconds until it has reacted."""


def _until(condition: Callable[[], bool]) -> float:
    """Seconds until a condition holds."""
    begun_s = time.monotonic()
    while not condition():
        if time.monotonic() - begun_s > PATIENCE_S:
            return float("inf")
        time.sleep(LOOK_S)
    return time.monotonic() - begun_s


def _given_back(daemon: RunningDaemon) -> bool:
    return daemon.root.read(f"{CPUFREQ}/scaling_governor") != "userspace"


def _terminated(daemon: RunningDaemon) -> float:
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGTERM)
    return _until(lambda: _given_back(daemon))


def _killed_and_restored(daemon: RunningDaemon) -> float:
    daemon.end(signal.SIGKILL)
    begun_s = time.monotonic()
    assert daemon.command("restore").returncode == 0
    return time.monotonic() - begun_s


def _sensor(temp_c: float | None) -> Fault:
    def cause(daemon: RunningDaemon) -> float:
        daemon.root.set_temp("cls0", temp_c)
        return _until(lambda: _given_back(daemon))

    return cause


def _rival(daemon: RunningDaemon) -> float:
    """Somebody who sets another clock whenever ours stands."""

    def write_and_look() -> bool:
        if not _given_back(daemon):
            daemon.root.write(f"{CPUFREQ}/scaling_setspeed", "1210000")
        return _given_back(daemon)

    return _until(write_and_look)


def _unplugged(daemon: RunningDaemon) -> float:
    with LivingApplications(daemon, [100], target=30.0) as applications:
        _until(lambda: "/ilgov-affinity/100" in daemon.root.snapshot(("ilgov-affinity",)))
        core = applications.core_of(100)
        daemon.root.unplug(core)
        return _until(lambda: applications.core_of(100) != core)


def _clamped(daemon: RunningDaemon) -> float:
    with LivingApplications(daemon, [100], target=300.0):
        _until(lambda: max(c.asked_hz or 0 for c in daemon.status().clusters) > 1.2e9)
        daemon.root.cap(0, 1_018_000)
        daemon.root.cap(4, 1_018_000)
        return _until(lambda: daemon.status().counts.clamped > 0)


def _application_gone(daemon: RunningDaemon) -> float:
    with LivingApplications(daemon, [100], target=30.0) as applications:
        _until(lambda: bool(daemon.status().applications))
        applications.leave(100)
        return _until(lambda: not daemon.status().applications)


def _garbage(daemon: RunningDaemon) -> float:
    assert daemon.process is not None
    (daemon.root.path / "etc/policy.onnx").write_bytes(b"garbage" * 100)
    daemon.process.send_signal(signal.SIGHUP)
    return _until(lambda: "reload refused" in daemon.log)


def _failing_back_end(daemon: RunningDaemon) -> float:
    """The longest round with a back end that hangs: decisions are not late by more."""
    with LivingApplications(daemon, [100], target=30.0):
        _until(lambda: "-> degraded" in daemon.log)
        return daemon.status().loop.most_s


def _full_disk(daemon: RunningDaemon) -> float:
    """From the first round to the state: nothing was ever written."""
    seconds = _until(lambda: daemon.status().state == "hands-off")
    assert daemon.changes() == {}
    return seconds


def _two_hundred(daemon: RunningDaemon) -> float:
    """The mean round with 200 applications."""
    with LivingApplications(daemon, list(range(100, 300)), target=0.5, period_s=0.5):
        _until(lambda: len(daemon.status().applications) == 200)
        rounds = daemon.status().loop.rounds
        _until(lambda: daemon.status().loop.rounds > rounds + 60)
        return daemon.status().loop.mean_s


POLICY = 'policy_file = "/etc/policy.onnx"'
HANGS = 'backend = "tests.npu_runtime.faulty_backend:hang"'

FAULTS: tuple[tuple[str, Fault, str, int | None], ...] = (
    ("SIGTERM: until every knob is back", _terminated, "", None),
    ("SIGKILL: `ilgov restore`, Python's start included", _killed_and_restored, "", None),
    ("disk full: journal, until hands-off", _full_disk, "", 300),
    ("sensor unreadable, until hands-off", _sensor(None), "", None),
    ("sensor absurd, until hands-off", _sensor(-73.7), "", None),
    ("rival, until hands-off", _rival, "", None),
    ("clock clamped, until seen", _clamped, "", None),
    ("core unplugged, until its application sits elsewhere", _unplugged, "", None),
    ("application gone, until forgotten", _application_gone, "", None),
    ("policy file garbage: reload, until refused", _garbage, POLICY, None),
    ("NPU back end hangs: the longest round", _failing_back_end, HANGS, None),
    ("200 applications: the mean round", _two_hundred, 'policy = "little-first"', None),
)
"""What it is called, how it is caused, settings, most bytes of a file that the daemon writes."""


@contextmanager
def _daemon(settings: str, most_file_bytes: int | None) -> Iterator[RunningDaemon]:
    with (
        tempfile.TemporaryDirectory() as folder,
        RunningDaemon(Path(folder), settings=settings, most_file_bytes=most_file_bytes) as daemon,
    ):
        source = shipped("ilgov-hikey970.onnx")
        assert source is not None
        policy = daemon.root.path / "etc/policy.onnx"
        policy.parent.mkdir(exist_ok=True)
        policy.write_bytes(source.read_bytes())
        for pid in range(100, 300 if "little-first" in settings else 101):
            daemon.root.add_process(pid)
        daemon.before = daemon.root.snapshot()
        daemon.start()
        if most_file_bytes is None:
            _until(lambda: not _given_back(daemon))
        yield daemon


def main() -> None:
    """Cause every fault whose name holds a word of the command line, or all."""
    words = sys.argv[1:]
    print("| fault | median, s | longest, s |\n|---|---|---|")
    for name, cause, settings, most_file_bytes in FAULTS:
        if words and not any(word in name for word in words):
            continue
        spent = []
        for _ in range(TIMES):
            with _daemon(settings, most_file_bytes) as daemon:
                spent.append(cause(daemon))
        print(f"| {name} | {statistics.median(spent):.3f} | {max(spent):.3f} |", flush=True)


if __name__ == "__main__":
    main()
