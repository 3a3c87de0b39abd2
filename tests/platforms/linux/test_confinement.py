"""Tests of holding training jobs to their grants, on a fake root."""

import errno
import json
import os
from pathlib import Path

import pytest

from platforms.linux.confinement.confinement import Confinement, Kind
from platforms.linux.errors import JournalUnusable
from platforms.linux.knobs.group_calls import RecordedGroups
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.restore import pending
from platforms.linux.knobs.stop_calls import RecordedStops
from platforms.linux.knobs.system_calls import RecordedCalls, calls_for
from platforms.linux.managed import ProcessKey
from platforms.platform import TrainingGrant
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import (
    journal_path,
    key_of,
    mask_of,
    no_pause,
    open_journal,
    restored,
)

JOB, PID, CHILD = 3, 100, 110
GROUPS = "/sys/fs/cgroup"
GROUP = f"{GROUPS}/ilgov/job-3"
LOOKED_AT = ("sys/fs/cgroup", "ilgov-affinity", "ilgov-stopped")
CONTROLLERS = "cgroup.subtree_control"


@pytest.fixture
def root(tmp_path: Path) -> FakeRoot:
    """A job of three threads with a child of two, in a service; no controller is switched on."""
    root = FakeRoot(tmp_path)
    root.add_process(PID, threads=3, cgroup="/system.slice/train.service")
    root.add_process(CHILD, threads=2, ppid=PID, cgroup="/system.slice/train.service")
    for controller in ("cpuset", "cpu", "memory"):
        RecordedGroups(root.path).control(GROUPS, f"-{controller}")
    return root


def groups_of(root: FakeRoot) -> dict[int, str]:
    """The control group of every process."""
    return {
        int(path.parent.name): path.read_text().strip().removeprefix("0::")
        for path in root.path.glob("proc/[0-9]*/cgroup")
    }


def state(root: FakeRoot) -> dict[str, object]:
    """All that confinement may change: groups with their knobs, who is in them, cores, stops."""
    files: dict[str, object] = {**root.snapshot(LOOKED_AT)}
    for path in [path for path in files if path.endswith("cgroup.procs")]:
        files[path] = sorted(str(files[path]).split())
    return {**files, "groups": groups_of(root)}


def confinement(
    root: FakeRoot,
    *,
    kind: Kind = "cgroup",
    groups: RecordedGroups | None = None,
    stops: RecordedStops | None = None,
    calls: RecordedCalls | None = None,
    dry_run: bool = False,
    own_pid: int | None = None,
) -> Confinement:
    """A daemon's, which is gone when the test lets go of it: its lock goes with its journal."""
    used = calls or calls_for(root.path)
    writer = KnobWriter(
        root.path,
        None if dry_run else open_journal(root),
        used,
        dry_run=dry_run,
        pause=no_pause,
        groups=groups,
        stops=stops,
    )
    return Confinement(root.path, writer, used, kind=kind, own_pid=own_pid)


def killed(confined: Confinement) -> None:
    """The daemon is gone without a word."""
    confined._writer._journal.close()  # type: ignore[union-attr]


def grant(*cores: int, cpu_max: float | None = None, nice: int = 0) -> TrainingGrant:
    """A grant of cores to the job."""
    return TrainingGrant(JOB, 0, cores, cpu_max=cpu_max, nice=nice)


def confine(
    root: FakeRoot,
    confined: Confinement,
    given: TrainingGrant,
    memory_bytes: float | None = None,
) -> tuple[str, ...]:
    """Hold the job to a grant."""
    return confined.confine(JOB, key_of(root, PID), given, memory_bytes)


# --- by control groups ----------------------------------------------------------------------------


def test_a_job_with_its_children_is_in_a_group_with_its_cores(root: FakeRoot) -> None:
    """All its processes; nobody else's."""
    root.add_process(200)
    assert () == confine(root, confinement(root), grant(1, 0))
    assert {PID: "/ilgov/job-3", CHILD: "/ilgov/job-3", 200: "/"} == {
        pid: groups_of(root)[pid] for pid in (PID, CHILD, 200)
    }
    assert "0-1" == root.read(f"{GROUP}/cpuset.cpus")


def test_only_the_controllers_that_are_needed_are_switched_on(root: FakeRoot) -> None:
    """The one of time changes how the whole machine is scheduled."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    assert "cpuset io pids" == root.read(f"{GROUPS}/{CONTROLLERS}")
    confine(root, confined, grant(0, cpu_max=0.5), 2**30)
    assert "cpuset cpu io memory pids" == root.read(f"{GROUPS}/{CONTROLLERS}")


def test_time_and_memory_are_limited_and_the_limits_lifted(root: FakeRoot) -> None:
    """A share of two cores' time, memory in bytes; a later grant without lets go of both."""
    confined = confinement(root)
    assert () == confine(root, confined, grant(4, 5, cpu_max=0.25), 2**28)
    assert ["50000 100000", "268435456"] == knobs(root, "cpu.max", "memory.high")
    assert () == confine(root, confined, grant(4, 5))
    assert ["max 100000", "max"] == knobs(root, "cpu.max", "memory.high")


def knobs(root: FakeRoot, *names: str) -> list[str]:
    """What knobs of the job's group say."""
    return [root.read(f"{GROUP}/{name}") for name in names]


def test_a_nice_job_weighs_less_than_all_other_processes(root: FakeRoot) -> None:
    """The group of all jobs is what competes with them."""
    confined = confinement(root)
    assert () == confine(root, confined, grant(4, nice=19))
    assert ["19", "19"] == [
        root.read(f"{folder}/cpu.weight.nice") for folder in (GROUP, f"{GROUPS}/ilgov")
    ]
    confine(root, confined, grant(4))
    assert "0" == root.read(f"{GROUPS}/ilgov/cpu.weight.nice")


def test_a_job_is_frozen_and_thawed(root: FakeRoot) -> None:
    """By a pause and the next grant with cores; what it may use stays."""
    confined = confinement(root)
    confine(root, confined, grant(0, 1))
    assert () == confined.pause(JOB)
    assert (["1"], [JOB]) == (knobs(root, "cgroup.freeze"), list(confined.paused))
    assert () == confine(root, confined, grant(0, 1))
    assert (["0"], []) == (knobs(root, "cgroup.freeze"), list(confined.paused))


def test_a_grant_without_cores_leaves_the_job_time_to_pause_by_itself(root: FakeRoot) -> None:
    """Freezing it at once it could not store where it is."""
    confined = confinement(root)
    confine(root, confined, grant(0, 1))
    confine(root, confined, grant())
    assert ["0", "0-1"] == knobs(root, "cgroup.freeze", "cpuset.cpus")


def test_a_job_that_never_had_cores_can_be_paused(root: FakeRoot) -> None:
    """One that begins without waiting for a grant."""
    confined = confinement(root)
    assert () == confined.pause(JOB, key_of(root, PID))
    assert ["1"] == knobs(root, "cgroup.freeze")
    assert "io pids" == root.read(f"{GROUPS}/{CONTROLLERS}")


def test_a_silent_job_is_throttled_until_its_next_grant(root: FakeRoot) -> None:
    """It keeps as much time as it needs to be heard again."""
    confined = confinement(root)
    confine(root, confined, grant(0, 1))
    assert () == confined.throttle(JOB)
    assert ["1000 100000", "0"] == knobs(root, "cpu.max", "cgroup.freeze")
    assert () == confine(root, confined, grant(0, 1))
    assert ["max 100000"] == knobs(root, "cpu.max")


def test_one_that_speaks_again_has_its_time_again(root: FakeRoot) -> None:
    """Without a grant: it may have to evaluate, or to send what it has, before its next round."""
    confined = confinement(root)
    confine(root, confined, grant(2))
    confined.throttle(JOB)
    assert () == confined.relieve({JOB})
    assert "1000 100000" == root.read(f"{GROUP}/cpu.max")
    assert () == confined.relieve(())
    assert "max 100000" == root.read(f"{GROUP}/cpu.max")
    confined.throttle(JOB)
    assert "1000 100000" == root.read(f"{GROUP}/cpu.max")


def test_what_is_wrong_at_every_look_is_said_once(
    root: FakeRoot, caplog: pytest.LogCaptureFixture
) -> None:
    """A client could fill the log otherwise; what a round has refused it is told anyway."""
    caplog.set_level("WARNING")
    confined = confinement(root, own_pid=CHILD)
    said = [confined.pause(JOB, key_of(root, PID)) for _ in range(3)]
    assert 3 == len([problems for problems in said if problems])
    assert 1 == len(caplog.records)


def test_a_silent_job_that_cannot_be_throttled_is_said(root: FakeRoot) -> None:
    """Masks have no such thing."""
    confined = confinement(root, kind="affinity")
    (said,) = confined.throttle(JOB, key_of(root, PID))
    assert "needs a control group" in said


@pytest.mark.parametrize("how", ["release", "stop", "restore"])
@pytest.mark.parametrize("kind", ["cgroup", "affinity"])
def test_everything_is_as_before(root: FakeRoot, how: str, kind: Kind) -> None:
    """After release, at the daemon's end, by ``ilgov restore`` after kill -9: cores, groups."""
    calls_for(root.path).set_affinity(PID + 1, {2, 3})
    before = state(root)
    confined = confinement(root, kind=kind)
    confine(root, confined, grant(0, 5, cpu_max=0.5), 2**28)
    confined.pause(JOB)
    assert before != state(root)
    if how == "release":
        assert () == confined.release(JOB)
        assert before["groups"] == groups_of(root)
        confined._writer.restore_all()
    elif how == "stop":
        assert () == confined._writer.restore_all().problems
    else:
        killed(confined)
        assert () == restored(root).problems
        assert not journal_path(root).exists()
    assert before == state(root)


def test_who_was_born_in_the_group_goes_where_its_parent_was(root: FakeRoot) -> None:
    """An orphan where the job was; each thread has the cores that the job had."""
    calls_for(root.path).set_affinity(PID, {2, 3})
    confined = confinement(root)
    confine(root, confined, grant(0))
    root.add_process(120, ppid=CHILD, cgroup="/ilgov/job-3")
    root.add_process(121, ppid=1, cgroup="/ilgov/job-3")
    calls_for(root.path).set_affinity(120, {0})
    killed(confined)
    assert () == restored(root).problems
    assert {"/system.slice/train.service"} == {groups_of(root)[pid] for pid in (120, 121)}
    assert {2, 3} == mask_of(root, PID)


def test_children_that_are_forked_while_others_are_moved_are_found(root: FakeRoot) -> None:
    """The family is looked at until nobody is outside."""

    class Forking(RecordedGroups):
        def move(self, pid: int, group: str) -> None:
            if pid == PID:
                root.add_process(120, ppid=CHILD, cgroup="/system.slice/train.service")
            super().move(pid, group)

    assert () == confine(root, confinement(root, groups=Forking(root.path)), grant(0))
    assert "/ilgov/job-3" == groups_of(root)[120]


def test_newcomers_are_put_into_the_group(root: FakeRoot) -> None:
    """Those that somebody has moved out, or that came from elsewhere."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    root.add_process(130, ppid=CHILD, cgroup="/elsewhere")
    assert () == confined.hold()
    assert "/ilgov/job-3" == groups_of(root)[130]
    killed(confined)
    restored(root)
    assert "/elsewhere" == groups_of(root)[130]


def test_foreground_applications_and_other_jobs_stay_outside(root: FakeRoot) -> None:
    """Though they descend from the job."""
    root.add_process(140, ppid=PID)
    root.add_process(141, ppid=140)
    root.add_process(150, ppid=PID)
    confined = confinement(root)
    confined.without = frozenset({140})
    confined.confine(4, key_of(root, 150), TrainingGrant(4, 0, (1,)))
    confine(root, confined, grant(0))
    assert ["/", "/", "/ilgov/job-4"] == [groups_of(root)[pid] for pid in (140, 141, 150)]


def test_an_application_that_was_born_in_the_group_is_let_out(root: FakeRoot) -> None:
    """With its children; it would be frozen with the job, and have its cores."""
    confined = confinement(root)
    confine(root, confined, grant(2))
    root.add_process(130, ppid=PID, cgroup="/ilgov/job-3")
    root.add_process(140, ppid=130, cgroup="/ilgov/job-3")
    confined.hold()
    assert {"/ilgov/job-3"} == {groups_of(root)[pid] for pid in (PID, 130, 140)}
    confined.without = frozenset({130})
    confined.hold()
    assert {"/system.slice/train.service"} == {groups_of(root)[pid] for pid in (130, 140)}
    assert {"/ilgov/job-3"} == {groups_of(root)[pid] for pid in (PID, CHILD)}


def test_a_job_that_ends_is_let_go(root: FakeRoot) -> None:
    """Its group is removed, with its descendants back where they were."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    root.processes[PID].cgroup = "/ilgov/job-3"
    root.remove_process(PID)
    assert () == confined.hold()
    assert not (root.path / GROUP[1:]).exists()
    assert "/system.slice/train.service" == groups_of(root)[CHILD]


def test_a_process_that_has_ended_before_is_passed_over(root: FakeRoot) -> None:
    """Also one whose number another one has got."""
    confined = confinement(root)
    assert () == confined.confine(JOB, ProcessKey(PID, 5), grant(0))
    assert () == confined.pause(JOB, ProcessKey(999, 5))
    assert not (root.path / "sys/fs/cgroup/ilgov").exists()


def test_a_process_that_ends_while_it_is_moved_is_no_problem(root: FakeRoot) -> None:
    """The others are moved."""

    class Ending(RecordedGroups):
        def move(self, pid: int, group: str) -> None:
            if pid == CHILD and CHILD in root.processes:
                root.remove_process(CHILD)
            super().move(pid, group)

    assert () == confine(root, confinement(root, groups=Ending(root.path)), grant(0))
    assert "/ilgov/job-3" == groups_of(root)[PID]


def test_a_group_that_vanished_is_made_anew(root: FakeRoot) -> None:
    """Somebody has moved the job out and removed its group."""
    before = state(root)
    confined = confinement(root)
    confine(root, confined, grant(0, 1))
    calls = RecordedGroups(root.path)
    for pid in (PID, CHILD):
        calls.move(pid, f"{GROUPS}/system.slice/train.service")
    calls.remove(GROUP)
    said = confined.hold()
    assert ["0-1"] == knobs(root, "cpuset.cpus"), said
    assert {"/ilgov/job-3"} == {groups_of(root)[pid] for pid in (PID, CHILD)}
    killed(confined)
    assert () == restored(root).problems
    assert before == state(root)


def test_a_new_grant_for_a_group_that_vanished_makes_it_anew(root: FakeRoot) -> None:
    """Nobody has looked meanwhile."""
    confined = confinement(root)
    confine(root, confined, grant(0, 1))
    calls = RecordedGroups(root.path)
    for pid in (PID, CHILD):
        calls.move(pid, f"{GROUPS}/system.slice/train.service")
    calls.remove(GROUP)
    assert () == confine(root, confined, grant(4))
    assert ["4"] == knobs(root, "cpuset.cpus")


def test_another_hand_on_its_cores_is_said_and_written_over(root: FakeRoot) -> None:
    """As for clocks."""
    confined = confinement(root)
    confine(root, confined, grant(0, 1))
    root.write(f"{GROUP}/cpuset.cpus", "0-7")
    (problem,) = confined.hold()
    assert "changed by another hand" in problem
    assert ["0-1"] == knobs(root, "cpuset.cpus")
    assert () == confined.hold()


# --- what the machine does not give ---------------------------------------------------------------


def on_threads(root: FakeRoot, *, cores: set[int]) -> None:
    """All threads of the job have these cores, and none is in a group of ilgov's."""
    tids = [*range(PID, PID + 3), *range(CHILD, CHILD + 2)]
    assert [cores] * 5 == [mask_of(root, tid) for tid in tids]
    assert {"/system.slice/train.service"} == {groups_of(root)[pid] for pid in (PID, CHILD)}


def test_without_groups_of_version_2_masks_and_signals_do(root: FakeRoot) -> None:
    """On a kernel that has version 1 only; that limits are missing is said."""
    for path in root.path.glob("sys/fs/cgroup/cgroup.*"):
        path.unlink()
    confined = confinement(root)
    said = confine(root, confined, grant(4, 5, cpu_max=0.5), 2**28)
    assert "no control groups of version 2" in said[0]
    assert ["share of the cores' time needs", "limit of memory needs"] == [
        next(
            words
            for words in ("share of the cores' time needs", "limit of memory needs")
            if words in problem
        )
        for problem in said[1:]
    ]
    on_threads(root, cores={4, 5})
    assert () == confined.pause(JOB)
    stopped = sorted(path.name for path in root.path.glob("ilgov-stopped/*"))
    assert [str(PID), str(CHILD)] == stopped
    confine(root, confined, grant(4, 5))
    assert [] == list(root.path.glob("ilgov-stopped/*"))


def test_by_configuration_there_are_no_groups(root: FakeRoot) -> None:
    """``enforcement = "affinity"``."""
    assert () == confine(root, confinement(root, kind="affinity"), grant(6))
    on_threads(root, cores={6})
    assert not (root.path / "sys/fs/cgroup/ilgov").exists()


def test_without_the_controller_cores_are_kept_by_masks_in_the_group(root: FakeRoot) -> None:
    """The group still freezes."""
    root.write(f"{GROUPS}/cgroup.controllers", "io memory pids")
    confined = confinement(root)
    (said,) = confine(root, confined, grant(2))
    assert "lack the controller cpuset; masks of threads are used instead" in said
    assert {2} == mask_of(root, CHILD + 1)
    root.add_thread(PID, PID + 5)
    calls_for(root.path).set_affinity(PID + 5, range(8))
    confined.hold()
    assert {2} == mask_of(root, PID + 5)
    assert () == confined.pause(JOB)
    assert ["1"] == knobs(root, "cgroup.freeze")


def test_where_processes_stand_in_the_way_of_controllers_masks_do(root: FakeRoot) -> None:
    """In a container's own namespace the top group holds processes itself: EBUSY."""

    class Namespace(RecordedGroups):
        def control(self, group: str, change: str) -> None:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    before = state(root)
    confined = confinement(root, groups=Namespace(root.path))
    (said,) = confine(root, confined, grant(2))
    assert "must take +cpuset (got: Device or resource busy)" in said
    assert {2} == mask_of(root, CHILD + 1)
    confined._writer.restore_all()
    assert before == state(root)


@pytest.mark.parametrize(
    ("group", "words"),
    [("/../../other", "cannot be seen from here"), ("/app.scope", "systemd would end /app.scope")],
)
def test_a_job_that_could_not_be_put_back_is_not_moved(
    root: FakeRoot, group: str, words: str
) -> None:
    """From outside this namespace; out of a scope, which ends with its last process."""
    root.add_process(300, cgroup="/app.scope")
    root.write("/proc/300/cgroup", f"0::{group}")
    (said,) = confinement(root).confine(5, key_of(root, 300), TrainingGrant(5, 0, (1,)))
    assert words in said
    assert {1} == mask_of(root, 300)
    assert group == groups_of(root)[300]


def test_a_scope_with_other_processes_can_be_left(root: FakeRoot) -> None:
    """A user's session, with the shell that has started the job."""
    for pid in (300, 301):
        root.add_process(pid, cgroup="/session-1.scope")
    assert () == confinement(root).confine(5, key_of(root, 300), TrainingGrant(5, 0, (1,)))
    assert "/ilgov/job-5" == groups_of(root)[300]


def test_a_group_that_cannot_be_made_is_answered_by_masks(root: FakeRoot) -> None:
    """A read-only hierarchy, as under a service's sandbox."""

    class ReadOnly(RecordedGroups):
        def make(self, group: str) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    confined = confinement(root, groups=ReadOnly(root.path))
    (said,) = confine(root, confined, grant(2))
    assert "Read-only file system" in said
    on_threads(root, cores={2})
    killed(confined)
    assert {} == pending(root.path, journal_path(root)).groups


def test_a_process_that_is_not_moved_is_kept_by_its_mask_and_stopped(root: FakeRoot) -> None:
    """The others are in the group."""

    class Refusing(RecordedGroups):
        def move(self, pid: int, group: str) -> None:
            if pid == CHILD and "ilgov" in group:
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            super().move(pid, group)

    before = state(root)
    confined = confinement(root, groups=Refusing(root.path))
    (said,) = confine(root, confined, grant(2))
    assert "must take process 110 (got: Permission denied)" in said
    assert ("/ilgov/job-3", {2}) == (groups_of(root)[PID], mask_of(root, CHILD))
    confined.pause(JOB)
    assert [str(CHILD)] == [path.name for path in root.path.glob("ilgov-stopped/*")]
    killed(confined)
    assert () == restored(root).problems
    assert before == state(root)


def test_a_refused_write_is_answered_by_masks(root: FakeRoot) -> None:
    """Cores that its group may not have."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    with root.refusing(f"{GROUP}/cpuset.cpus"):
        (said,) = confine(root, confined, grant(2))
    assert "masks of threads are used instead" in said
    assert {2} == mask_of(root, PID + 2)


def test_a_process_that_is_stopped_already_is_not_continued(root: FakeRoot) -> None:
    """Its user has stopped it."""
    stops = RecordedStops(root.path)
    stops.stop(key_of(root, CHILD))
    confined = confinement(root, kind="affinity")
    confined.pause(JOB, key_of(root, PID))
    killed(confined)
    restored(root)
    assert [False, True] == [stops.is_stopped(pid) for pid in (PID, CHILD)]


def test_who_gets_the_number_of_a_stopped_process_is_not_stopped(root: FakeRoot) -> None:
    """It is anybody's: the job's child was killed."""
    confined = confinement(root, kind="affinity")
    confined.pause(JOB, key_of(root, PID))
    confined.hold()
    assert 2 == len(confined._jobs[JOB].threads._stopped)
    root.remove_process(CHILD)
    RecordedStops(root.path)._folder.joinpath(str(CHILD)).unlink()
    root.add_process(CHILD, start_ticks=987_654)
    confined.hold()
    assert [str(PID)] == [path.name for path in root.path.glob("ilgov-stopped/*")]


USER = 1000


@pytest.fixture
def users(tmp_path: Path) -> FakeRoot:
    """A user's job with a child that has become root, which has one of the user again."""
    root = FakeRoot(tmp_path / "users")
    root.add_process(PID, uid=USER, cgroup="/system.slice/train.service")
    root.add_process(CHILD, ppid=PID, cgroup="/system.slice/train.service")
    root.add_process(120, uid=USER, ppid=CHILD, cgroup="/system.slice/train.service")
    return root


def test_of_a_users_job_nobody_elses_process_is_held(users: FakeRoot) -> None:
    """Root would do for the user what the user may not."""
    confined = confinement(users)
    confined.confine(JOB, key_of(users, PID), grant(2), uid=USER)
    confined.pause(JOB, key_of(users, PID), uid=USER)
    confined.hold()
    assert "/system.slice/train.service" == groups_of(users)[CHILD]
    assert ["/ilgov/job-3"] * 2 == [groups_of(users)[pid] for pid in (PID, 120)]
    assert not (users.path / "ilgov-stopped" / str(CHILD)).exists()


def test_by_masks_and_signals_neither(users: FakeRoot) -> None:
    """The same without groups."""
    before = mask_of(users, CHILD)
    confined = confinement(users, kind="affinity")
    confined.confine(JOB, key_of(users, PID), grant(2), uid=USER)
    confined.pause(JOB, key_of(users, PID), uid=USER)
    assert ({2}, before) == (mask_of(users, PID), mask_of(users, CHILD))
    stopped = sorted(path.name for path in users.path.glob("ilgov-stopped/*"))
    assert [str(PID), "120"] == stopped


def test_who_becomes_another_users_in_the_group_is_let_out(users: FakeRoot) -> None:
    """A program that was started there and is root's, such as sudo."""
    confined = confinement(users)
    confined.confine(JOB, key_of(users, PID), grant(2), uid=USER)
    users.add_process(130, uid=USER, ppid=PID, cgroup="/ilgov/job-3")
    confined.hold()
    assert "/ilgov/job-3" == groups_of(users)[130]
    status = users.path / "proc/130/status"
    status.write_text(status.read_text().replace(f"\t{USER}\t{USER}", f"\t{USER}\t0", 1))
    confined.hold()
    assert "/system.slice/train.service" == groups_of(users)[130]


def test_who_ends_while_the_disk_is_waited_for_is_not_moved(root: FakeRoot) -> None:
    """Another process may have its number by then."""

    class Reusing(RecordedGroups):
        def group_of(self, pid: int) -> str | None:
            found = super().group_of(pid)
            looked.append(pid)
            if pid == CHILD and looked.count(CHILD) == 2:
                root.remove_process(CHILD)
                root.add_process(CHILD, start_ticks=987_654, cgroup="/system.slice/web.service")
            return found

    looked: list[int] = []
    confine(root, confinement(root, groups=Reusing(root.path)), grant(2))
    assert "/system.slice/web.service" == groups_of(root)[CHILD]
    assert "/ilgov/job-3" == groups_of(root)[PID]


def test_a_process_that_may_not_be_stopped_is_said(root: FakeRoot) -> None:
    """Without the right to signal other users' processes."""

    class Denied(RecordedStops):
        def stop(self, key: ProcessKey) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    confined = confinement(root, kind="affinity", stops=Denied(root.path))
    said = confined.pause(JOB, key_of(root, PID))
    assert said[0].endswith("process 100 must stop (got: Operation not permitted)")
    assert said[1].endswith("process 110 must stop (got: Operation not permitted)")
    killed(confined)
    assert set() == pending(root.path, journal_path(root)).stopped


def test_what_ilgov_descends_from_is_left_alone(root: FakeRoot) -> None:
    """It would freeze itself."""
    confined = confinement(root, own_pid=CHILD)
    (said,) = confine(root, confined, grant(2))
    assert "must not be one that ilgov descends from" in said
    assert (said,) == confined.pause(JOB, key_of(root, PID))
    assert not (root.path / "sys/fs/cgroup/ilgov").exists()


def test_a_dry_run_writes_nothing(root: FakeRoot) -> None:
    """It says what it would."""
    before = state(root)
    confined = confinement(root, dry_run=True)
    confine(root, confined, grant(0, 1, cpu_max=0.5), 2**28)
    confined.pause(JOB)
    confined.hold()
    assert before == state(root)
    assert (f"{GROUP}/cpuset.cpus", "0-1") in confined._writer.would_write


def test_without_room_for_the_journal_nothing_is_changed(
    root: FakeRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be undone."""
    before = state(root)
    confined = confinement(root)
    monkeypatch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "")))
    with pytest.raises(JournalUnusable):
        confine(root, confined, grant(0))
    monkeypatch.undo()
    assert before == state(root)


# --- putting back ---------------------------------------------------------------------------------


def test_where_the_old_group_is_gone_the_nearest_above_takes_the_job(root: FakeRoot) -> None:
    """Its service has ended meanwhile, say."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    RecordedGroups(root.path).remove(f"{GROUPS}/system.slice/train.service")
    killed(confined)
    assert () == restored(root).problems
    assert "/system.slice" == groups_of(root)[PID]


def test_a_controller_that_others_have_come_to_use_stays_on(root: FakeRoot) -> None:
    """Systemd has switched it on for its own groups meanwhile."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    root.write(f"{GROUPS}/system.slice/{CONTROLLERS}", "cpuset")
    killed(confined)
    assert () == restored(root).problems
    assert "cpuset" in root.read(f"{GROUPS}/{CONTROLLERS}")
    assert not (root.path / "sys/fs/cgroup/ilgov").exists()


def test_a_group_that_cannot_be_emptied_is_kept_for_the_next_time(root: FakeRoot) -> None:
    """And said: it has a process that is not visible from here."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    confined.pause(JOB)
    procs = root.path / f"{GROUP[1:]}/cgroup.procs"
    procs.write_text(procs.read_text() + "0\n")
    killed(confined)
    report = restored(root)
    assert "job-3 must be removed (got: Device or resource busy)" in report.problems[0]
    assert "/system.slice/train.service" == groups_of(root)[PID]
    assert "0" == root.read(f"{GROUP}/cgroup.freeze")
    procs.write_text("\n")
    assert () == restored(root).problems
    assert not (root.path / "sys/fs/cgroup/ilgov").exists()


def test_a_group_that_cannot_be_looked_at_keeps_nothing_else_from_being_undone(
    root: FakeRoot,
) -> None:
    """A journal may name any folder; what else is in it counts all the same."""
    confined = confinement(root, kind="affinity")
    confined.pause(JOB, key_of(root, PID))
    confined._writer._journal.remember_group("/sys/class")  # type: ignore[union-attr]
    killed(confined)
    (said,) = restored(root).problems
    assert said.startswith("/sys/class must be removed (got: must lie in /sys/fs/cgroup")
    assert [] == list(root.path.glob("ilgov-stopped/*"))


def test_a_folder_that_was_there_before_is_left(root: FakeRoot) -> None:
    """The service's unit makes it, say."""
    RecordedGroups(root.path).make(f"{GROUPS}/ilgov")
    confined = confinement(root)
    confine(root, confined, grant(0))
    killed(confined)
    assert () == restored(root).problems
    assert [] == [path.name for path in (root.path / "sys/fs/cgroup/ilgov").glob("job-*")]
    assert (root.path / "sys/fs/cgroup/ilgov").exists()


def test_a_dry_restore_names_groups_and_stops(root: FakeRoot) -> None:
    """What it would do."""
    confined = confinement(root)
    confine(root, confined, grant(0))
    confined.confine(4, key_of(root, 1), TrainingGrant(4, 0, (1,)))
    killed(confined)
    undo = pending(root.path, journal_path(root))
    assert {f"{GROUPS}/ilgov", GROUP} == set(undo.groups)
    assert {f"{GROUPS}/system.slice/train.service"} == set(undo.groups[GROUP].values())
    kinds = [json.loads(line)["kind"] for line in journal_path(root).read_text().splitlines()]
    assert kinds.index("group") < kinds.index("members")
