"""The daemon on this machine: its rounds beside bare system calls, its start, its memory.

Here ``/proc``, the processes and the calls that read counters are real. For sysfs stand files that
the kernel serves likewise where control groups can be made (`benchmarks.served_files`), else plain
ones, whose reading costs less. No virtual machine has the hardware's counters: groups of events
that the kernel counts itself stand for them, one group per core type and thread as on a board. The
emulated board (`tests/rig`) says the same by executed instructions. Before each round the caches
are taken, as on a busy board. Run it with ``-s``.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.cold_caches import CacheTaker
from benchmarks.daemon_overhead import Bench, bench, by_time
from benchmarks.served_files import served_by_kernel
from benchmarks.working_processes import WorkingProcesses, working_processes
from platforms.linux.counters.counters import PerfCounters
from platforms.linux.counters.perf_event import Event
from platforms.linux.knobs.system_calls import KernelCalls
from rm.daemon import opened_board
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.daemon.running_daemon import RunningDaemon

APPLICATIONS = 8
MOST_TIMES = 3.0
MOST_RSS_MB = 64.0
MOST_START_S = 2.0

SOFTWARE = 1
COUNTED = (Event(SOFTWARE, 1), Event(SOFTWARE, 3), Event(SOFTWARE, 2))
"""Time on a core, switches and page faults (linux/perf_event.h): three events, as on a board."""

CORE_TYPES = 2
CASES = [
    ("little-first", "served", "heartbeats", "taken"),
    ("topil", "served", "heartbeats", "taken"),
    ("ilgov", "served", "heartbeats", "taken"),
    ("little-first", "served", "counters", "taken"),
    ("topil", "served", "counters", "taken"),
    ("ilgov", "served", "counters", "taken"),
    ("little-first", "plain", "heartbeats", "taken"),
    ("little-first", "served", "heartbeats", "left"),
]
"""Policy, what stands for sysfs, what the applications are measured by, and what is done to the
caches before each round (`benchmarks.cold_caches`)."""


@pytest.fixture
def applications() -> Iterator[WorkingProcesses]:
    """Eight of them, which work long enough to take nearly the same time each time."""
    with working_processes(APPLICATIONS, steps=1000) as started:
        yield started


@pytest.fixture(params=CASES, ids=["-".join(case) for case in CASES])
def measured(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    applications: WorkingProcesses,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    """A daemon with eight applications that all send heartbeats."""
    policy, files, measured_by, caches = request.param
    root = FakeRoot(tmp_path / "root")
    shutil.rmtree(root.path / "proc")
    (root.path / "proc").symlink_to("/proc")
    monkeypatch.setattr(opened_board, "calls_for", lambda _root: KernelCalls())
    if measured_by == "counters":
        counters = PerfCounters((COUNTED,) * CORE_TYPES, descriptors=1000)
        monkeypatch.setattr(opened_board, "open_counters", lambda _root: counters)
    configuration = tmp_path / "ilgov.toml"
    configuration.write_text(f'board = "hikey970"\npolicy = "{policy}"\n')
    with served_by_kernel(root.path if files == "served" else tmp_path / "nothing") as served:
        if files == "served" and not served:
            pytest.skip("no control groups can be made here")
        with bench(
            configuration,
            root.path,
            applications,
            kernel=_clocks_follow(root),
            others=CacheTaker().take if caches == "taken" else lambda: None,
        ) as made:
            made.live(40)
            yield made


def _clocks_follow(root: FakeRoot) -> Callable[[], None]:
    """What cpufreq does when it is told a speed: the clock has it."""
    folders = [policy.folder for policy in root.policies]

    def follow() -> None:
        for folder in folders:
            asked, clock = folder / "scaling_setspeed", folder / "scaling_cur_freq"
            speed = asked.read_text().strip()
            if speed.isdecimal() and speed != clock.read_text().strip():
                clock.write_text(speed)

    return follow


def test_rounds_beside_their_system_calls(measured: Bench, request: pytest.FixtureRequest) -> None:
    """At most three times of them, where the caches are taken; else it is said and not judged."""
    rounds = {
        "DVFS": measured.overhead(measured.dvfs_round, by_time(20)),
        "migration": measured.overhead(measured.migration_round, by_time(6)),
    }
    if "ilgov" in request.node.callspec.id:
        rounds["searching"] = measured.overhead(measured.searching_round, by_time(6))
    print(f"\n{request.node.callspec.id}")
    for name, found in rounds.items():
        print(
            f"  {name} round {1e6 * found.whole.median:.0f} us, "
            f"{found.ratio:.2f} times its {sum(found.calls.values())} system calls"
        )
    if request.node.callspec.id.endswith("taken"):
        assert max(found.ratio for found in rounds.values()) <= MOST_TIMES


def test_it_starts_fast_and_stays_small(tmp_path: Path) -> None:
    """From the command to the first decision, and the memory with onnxruntime loaded."""
    with RunningDaemon(tmp_path, settings='backend = "onnxruntime"') as daemon:
        begun_s = time.monotonic()
        daemon.start()
        started_s = time.monotonic() - begun_s
        rounds = daemon.status().loop.rounds
        daemon.wait_until(lambda: daemon.status().loop.rounds > rounds + 60, "sixty rounds")
        assert daemon.process is not None
        rss_mb = _rss_mb(daemon.process.pid)
        assert daemon.end() == 0
    print(f"\nfirst decision after {started_s:.2f} s, {rss_mb:.1f} MB resident")
    assert started_s <= MOST_START_S
    assert rss_mb <= MOST_RSS_MB


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
