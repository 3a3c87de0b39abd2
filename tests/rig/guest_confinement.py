"""Training jobs held to their grants on a real kernel: groups, cores, time, memory, pauses, undo.

One job all the time: a process of two busy threads with two busy children, one of which another
forks. Another process confines it where that one is to be killed.

    python3 -m tests.rig.guest_confinement        all checks
    python3 -m tests.rig.guest_confinement job    the job
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from platforms.linux.confinement.confinement import Confinement, Kind
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.process_family import family_of
from platforms.linux.knobs.process_start import read_all_lives, threads_of
from platforms.linux.knobs.system_calls import KernelCalls
from platforms.linux.managed import ProcessKey
from platforms.platform import TrainingGrant
from tests.rig.checklist import SceneChecklist
from tests.rig.governed import STATE, restore
from tests.rig.knobs import Snapshot, differences, snapshot
from tests.rig.spin import Spinner
from tests.rig.world import OUT, end, wait_until

ROOT = Path("/")
GROUPS = Path("/sys/fs/cgroup")
GROUP = GROUPS / "ilgov" / "job-1"
JOB, THREADS, PROCESSES = 1, 2, 3
CORES, OTHER_CORES = (1, 2), (5,)
MEMORY_BYTES = 256 << 20
SHARE = 0.25
_SLICE_S = 0.005
_LOOK_S = 1.0


@dataclass
class Scene:
    """The job, and how everything was before anybody confined it."""

    key: ProcessKey
    before: Snapshot

    @property
    def family(self) -> list[ProcessKey]:
        """Its processes."""
        return family_of(self.key, read_all_lives(ROOT))

    @property
    def tids(self) -> list[int]:
        """All their threads."""
        return [tid for key in self.family for tid in threads_of(ROOT, key.pid)]

    def seen(self) -> Snapshot:
        """All that confining changes: cores and group of each process, groups, controllers."""
        found = snapshot([key.pid for key in self.family])
        found["groups"] = str(sorted(str(p) for p in GROUPS.rglob("*") if p.is_dir()))
        found["controllers"] = (GROUPS / "cgroup.subtree_control").read_text()
        found["states"] = str(sorted({_state(key.pid) in "RS" for key in self.family}))
        return found

    def not_as_before(self) -> dict[str, object]:
        """What is not as it was."""
        return dict(differences(self.before, self.seen()))

    def cpu_s(self) -> float:
        """CPU time of all threads so far."""
        return sum(_cpu_s(tid) for tid in self.tids)

    def cores_used(self, seconds: float = _LOOK_S) -> float:
        """How many cores' time it takes from now on."""
        start_s, before_s = time.monotonic(), self.cpu_s()
        time.sleep(seconds)
        return (self.cpu_s() - before_s) / (time.monotonic() - start_s)


CHECKS: SceneChecklist[Scene] = SceneChecklist()


@contextmanager
def confining(kind: Kind) -> Iterator[Confinement]:
    """A confinement with the daemon's own journal; all is put back at the block's end."""
    confinement, journal, writer = _confinement(kind)
    try:
        yield confinement
    finally:
        report = writer.restore_all()
        writer.close()
        journal.remove()
        assert () == report.problems, report


def _confinement(kind: Kind) -> tuple[Confinement, Journal, KnobWriter]:
    journal = Journal.open(STATE / JOURNAL_NAME, boot_id=read_boot_id(ROOT))
    calls = KernelCalls()
    writer = KnobWriter(ROOT, journal, calls)
    return Confinement(ROOT, writer, calls, kind=kind), journal, writer


def _grant(cores: tuple[int, ...], *, cpu_max: float | None = None) -> TrainingGrant:
    return TrainingGrant(JOB, 0, cores, cpu_max=cpu_max)


@CHECKS.add
def a_job_with_its_children_runs_on_its_cores_only(scene: Scene) -> object:
    """Every thread of every process; then on others, with no thread left behind."""
    with confining("cgroup") as confined:
        assert () == confined.confine(JOB, scene.key, _grant(CORES))
        assert {CORES} == _affinities(scene)
        ran_on = _ran_on(scene)
        assert ran_on <= set(CORES), ran_on
        assert () == confined.confine(JOB, scene.key, _grant(OTHER_CORES))
        assert {OTHER_CORES} == _affinities(scene)
        used = scene.cores_used()
        assert 0.8 < used < 1.1, used
        assert {f"0::/{GROUP.relative_to(GROUPS)}"} == {_group(key) for key in scene.family}
    assert {} == scene.not_as_before()
    return {"ran_on": sorted(ran_on), "cores_used_of_one": used}


@CHECKS.add
def a_child_that_is_forked_later_is_held_as_well(scene: Scene) -> object:
    """It is born in the group; no affinity leads out of it."""
    with confining("cgroup") as confined:
        confined.confine(JOB, scene.key, _grant(CORES))
        before = {key.pid for key in scene.family}
        os.kill(scene.key.pid, signal.SIGUSR1)
        wait_until(lambda: len(scene.family) > len(before), "a new child")
        (born,) = {key.pid for key in scene.family} - before
        assert set(CORES) == os.sched_getaffinity(born)
        with contextlib.suppress(OSError):
            os.sched_setaffinity(born, {7})
            raise AssertionError("the kernel must refuse a core outside the group's")
        os.kill(born, signal.SIGKILL)
        wait_until(lambda: len(scene.family) == len(before), "its end")
    assert {} == scene.not_as_before()
    return born


@CHECKS.add
def its_time_is_limited_and_the_limit_lifted(scene: Scene) -> object:
    """A quarter of two cores' time is half a core."""
    with confining("cgroup") as confined:
        assert () == confined.confine(JOB, scene.key, _grant(CORES))
        free = scene.cores_used()
        assert () == confined.confine(JOB, scene.key, _grant(CORES, cpu_max=SHARE))
        limited = scene.cores_used(2.0)
        assert () == confined.confine(JOB, scene.key, _grant(CORES))
        again = scene.cores_used()
    expected = SHARE * len(CORES)
    assert free > 1.6, free
    assert 0.8 * expected < limited < 1.2 * expected, limited
    assert again > 1.6, again
    assert {} == scene.not_as_before()
    return {"free": free, "limited": limited, "again": again}


@CHECKS.add
def a_nice_job_leaves_its_core_to_others(scene: Scene) -> object:
    """Though it is in a group, which the scheduler weighs as one; at nice 15 as well."""
    other = os.fork()
    if other == 0:
        os.sched_setaffinity(0, OTHER_CORES)
        _spin()
    try:
        with confining("cgroup") as confined:
            found = {}
            for nice in (0, 15, 19):
                given = TrainingGrant(JOB, 0, OTHER_CORES, nice=nice)
                assert () == confined.confine(JOB, scene.key, given)
                found[nice] = scene.cores_used()
    finally:
        os.kill(other, signal.SIGKILL)
        os.waitpid(other, 0)
    assert found[0] > 0.4 > 0.1 > found[15], found
    assert found[19] < 0.05, found
    assert {} == scene.not_as_before()
    return found


@CHECKS.add
def its_memory_is_limited(scene: Scene) -> object:
    """The kernel says so; what it had before it was moved is not counted."""
    with confining("cgroup") as confined:
        assert () == confined.confine(JOB, scene.key, _grant(CORES), MEMORY_BYTES)
        said = (GROUP / "memory.high").read_text().strip()
    assert str(MEMORY_BYTES) == said
    assert {} == scene.not_as_before()
    return said


@CHECKS.add
def it_is_frozen_and_goes_on(scene: Scene) -> object:
    """Frozen it takes no time at all."""
    with confining("cgroup") as confined:
        confined.confine(JOB, scene.key, _grant(CORES))
        assert () == confined.pause(JOB)
        events = GROUP / "cgroup.events"
        frozen_s = wait_until(lambda: "frozen 1" in events.read_text(), "it to be frozen")
        frozen = scene.cores_used()
        assert () == confined.confine(JOB, scene.key, _grant(CORES))
        again = scene.cores_used()
    assert 0.0 == frozen
    assert again > 1.6, again
    return {"frozen_after_s": frozen_s, "again": again}


@CHECKS.add
def a_silent_job_is_throttled(scene: Scene) -> object:
    """It gets hardly any time."""
    with confining("cgroup") as confined:
        confined.confine(JOB, scene.key, _grant(CORES))
        assert () == confined.throttle(JOB)
        throttled = scene.cores_used(2.0)
    assert 0.0 < throttled < 0.05, throttled
    return throttled


@CHECKS.add
def without_groups_masks_and_signals_do_the_same(scene: Scene) -> object:
    """All but the limits."""
    with confining("affinity") as confined:
        assert () == confined.confine(JOB, scene.key, _grant(CORES))
        assert {CORES} == _affinities(scene)
        assert () == confined.pause(JOB)
        wait_until(lambda: {"T"} == {_state(key.pid) for key in scene.family}, "it to stop")
        stopped = scene.cores_used()
        assert () == confined.confine(JOB, scene.key, _grant(CORES))
        again = scene.cores_used()
    assert 0.0 == stopped
    assert again > 1.6, again
    assert {} == scene.not_as_before()
    return {"again": again}


@CHECKS.add
def after_kill_9_restore_thaws_it_and_puts_it_back(scene: Scene) -> object:
    """Out of its group, which is gone, as are the controllers that it needed."""
    return _after_kill_9(scene, "cgroup")


@CHECKS.add
def after_kill_9_restore_continues_a_stopped_job(scene: Scene) -> object:
    """With its old cores."""
    return _after_kill_9(scene, "affinity")


@CHECKS.add
def an_own_group_takes_the_cores_that_are_written_to_it(_: Scene) -> object:
    """As for applications with ``placement = "cpuset"``: the kernel calls such files empty."""
    journal = Journal.open(STATE / JOURNAL_NAME, boot_id=read_boot_id(ROOT))
    writer = KnobWriter(ROOT, journal, KernelCalls())
    (GROUPS / "cgroup.subtree_control").write_text("+cpuset")
    group = GROUPS / "rig-own"
    group.mkdir()
    try:
        said = writer.write(f"{group}/cpuset.cpus", "4-5")
        assert () == writer.restore_all().problems
        assert "" == (group / "cpuset.cpus").read_text().strip()
    finally:
        group.rmdir()
        (GROUPS / "cgroup.subtree_control").write_text("-cpuset")
        journal.remove()
    assert "4-5" == said
    return said


def _after_kill_9(scene: Scene, kind: Kind) -> object:
    reads, writes = os.pipe()
    holder = os.fork()  # a new interpreter would start at a snail's pace beside the busy job
    if holder == 0:
        hold(scene.key, kind, writes)
    os.close(writes)
    said_by_it = os.read(reads, 16)
    os.close(reads)
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert b"held" == said_by_it
    left = sorted(scene.not_as_before())
    assert left, "it must be confined"
    assert 0.0 == scene.cores_used(0.5)
    start_s = time.monotonic()
    code, said = restore()
    took_s = time.monotonic() - start_s
    assert 0 == code, said
    wait_until(lambda: not scene.not_as_before(), "all to be as before")
    again = scene.cores_used()
    assert again > THREADS, again
    return {"left": left, "said": said, "restore_s": took_s, "cores_used": again}


def _affinities(scene: Scene) -> set[tuple[int, ...]]:
    return {tuple(sorted(os.sched_getaffinity(tid))) for tid in scene.tids}


def _ran_on(scene: Scene) -> set[int]:
    """The cores that its busy threads are found on over a while."""
    found = set()
    for _ in range(20):
        time.sleep(0.02)
        for tid in scene.tids:
            fields = Path(f"/proc/{tid}/stat").read_text().rpartition(")")[2].split()
            if fields[0] == "R":
                found.add(int(fields[36]))
    return found


def _group(key: ProcessKey) -> str:
    return Path(f"/proc/{key.pid}/cgroup").read_text().strip()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _cpu_s(tid: int) -> float:
    return 1e-9 * int(Path(f"/proc/{tid}/schedstat").read_text().split()[0])


# --- the other processes --------------------------------------------------------------------------


def job() -> None:
    """Two busy threads, a child with a child; one more child for each SIGUSR1."""
    warnings.simplefilter("ignore", DeprecationWarning)  # its children take no locks
    if os.fork() == 0:
        os.fork()
        _spin()
    for _ in range(THREADS):
        threading.Thread(target=_spin, daemon=True).start()
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    sys.stdout.write("runs\n")
    sys.stdout.flush()
    while True:
        if signal.sigwaitinfo({signal.SIGUSR1, signal.SIGCHLD}).si_signo == signal.SIGCHLD:
            os.waitpid(-1, os.WNOHANG)
        elif os.fork() == 0:
            _spin()


def _spin() -> None:
    """Until it is ended, or nobody wants it any more."""
    spinner, parent = Spinner(), os.getppid()
    while os.getppid() == parent:
        spinner.spin(_SLICE_S)
    os._exit(0)


def hold(key: ProcessKey, kind: Kind, tell: int) -> NoReturn:
    """Confine, limit and pause a job; say so; then wait to be killed."""
    try:
        confinement, _, _ = _confinement(kind)
        memory_bytes = MEMORY_BYTES if kind == "cgroup" else None
        cpu_max = SHARE if kind == "cgroup" else None
        assert () == confinement.confine(JOB, key, _grant(CORES, cpu_max=cpu_max), memory_bytes)
        assert () == confinement.pause(JOB)
        if kind == "cgroup":
            events = GROUP / "cgroup.events"
            wait_until(lambda: "frozen 1" in events.read_text(), "it to be frozen")
        os.write(tell, b"held")
        time.sleep(600.0)
    finally:
        os._exit(1)


def main(report: Path) -> int:
    """All checks, one after the other."""
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD})
    words = [sys.executable, "-m", "tests.rig.guest_confinement", "job"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, signal.SIGCHLD})
        assert child.stdout is not None
        assert b"runs\n" == child.stdout.readline()
        scene = Scene(ProcessKey(child.pid, read_all_lives(ROOT)[child.pid].start_ticks), {})
        wait_until(lambda: len(scene.family) == PROCESSES, "the job's processes")
        calls = KernelCalls()
        calls.set_affinity(scene.tids[-1], {4, 5, 6})
        scene.before = scene.seen()
        try:
            return int(any(CHECKS.run(scene, report).values()))
        finally:
            for key in scene.family[1:]:
                os.kill(key.pid, signal.SIGKILL)
            end(child)


if __name__ == "__main__":
    if sys.argv[1:2] == ["job"]:
        job()
    else:
        sys.exit(main(OUT / "guest_confinement.json"))
