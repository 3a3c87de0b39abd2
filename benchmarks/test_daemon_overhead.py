"""The daemon on this machine: its rounds beside bare system calls, its start, its memory.

Here ``/proc`` and the processes are real, and ``/sys`` is plain files, whose reading costs less
than the kernel's own: the ratio that counts is that of the emulated board (`tests/rig`), by
executed instructions. Run it with ``-s``.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.daemon_overhead import Bench, bench, by_time
from benchmarks.working_processes import WorkingProcesses, working_processes
from platforms.linux.knobs.system_calls import KernelCalls
from rm.daemon import opened_board
from tests.platforms.linux.fake_root import FakeRoot
from tests.rm.daemon.running_daemon import RunningDaemon

APPLICATIONS = 8
MOST_RSS_MB = 64.0
MOST_START_S = 2.0


@pytest.fixture
def applications() -> Iterator[WorkingProcesses]:
    """Eight of them."""
    with working_processes(APPLICATIONS) as started:
        yield started


@pytest.fixture(params=["little-first", "topil", "ilgov"])
def measured(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    applications: WorkingProcesses,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    """A daemon with eight applications that all send heartbeats."""
    root = FakeRoot(tmp_path / "root")
    shutil.rmtree(root.path / "proc")
    (root.path / "proc").symlink_to("/proc")
    monkeypatch.setattr(opened_board, "calls_for", lambda _root: KernelCalls())
    configuration = tmp_path / "ilgov.toml"
    configuration.write_text(f'board = "hikey970"\npolicy = "{request.param}"\n')
    with bench(configuration, root.path, applications) as made:
        made.live(20)
        yield made


def test_rounds_beside_their_system_calls(measured: Bench, request: pytest.FixtureRequest) -> None:
    """Said, and not judged: see above."""
    dvfs = measured.overhead(measured.dvfs_round, by_time(100))
    migration = measured.overhead(measured.migration_round, by_time(30))
    print(
        f"\n{request.node.callspec.id}: DVFS round {1e6 * dvfs.whole.median:.0f} us, "
        f"{dvfs.ratio:.1f} times its {sum(dvfs.calls.values())} system calls; migration round "
        f"{1e6 * migration.whole.median:.0f} us, {migration.ratio:.1f} times its "
        f"{sum(migration.calls.values())}"
    )


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
