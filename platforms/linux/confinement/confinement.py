"""Holds training jobs to what they were granted, whether they cooperate or not.

A job's processes, with all their threads and children, are put into a control group: it has the
job's cores (``cpuset.cpus``), its share of their time (``cpu.max``), its memory (``memory.high``),
and freezes to pause it. Each of these that the machine cannot do by a group is done by masks of
threads or by SIGSTOP, or said to be missing. All goes through the journalled writer.
"""

import logging
import os
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from platforms.linux.confinement.by_threads import ByThreads
from platforms.linux.confinement.job_group import TOP, GroupUnusable, JobGroup
from platforms.linux.confinement.owner import ROOT_UID, belongs_to
from platforms.linux.errors import WriteRefused
from platforms.linux.files.cpu_list import format_cpu_list
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.process_family import family_of
from platforms.linux.knobs.process_start import read_all_lives, read_life
from platforms.linux.knobs.system_calls import SchedulerCalls
from platforms.linux.managed import ProcessKey
from platforms.linux.processes.processes import ProcessTable
from platforms.platform import TrainingGrant

logger = logging.getLogger(__name__)

Kind = Literal["cgroup", "affinity"]

PERIOD_US = 100_000
"""In which ``cpu.max`` counts a group's time: the kernel's own choice."""

_LEAST_QUOTA_US = 1000
_THROTTLED = f"{_LEAST_QUOTA_US} {PERIOD_US}"
_NO_LIMIT = f"max {PERIOD_US}"


@dataclass
class _Job:
    """A job: its process, its group if it may have one, and what was last asked for it."""

    key: ProcessKey
    group: JobGroup | None
    threads: ByThreads
    uid: int = ROOT_UID
    asked: tuple[TrainingGrant, float | None] | None = None
    cores: tuple[int, ...] = ()
    by_masks: bool = False
    nice: int = 0
    paused: bool = False
    throttled: bool = False
    is_ilgovs: bool | None = None
    said: frozenset[str] = frozenset()


class Confinement:
    """All jobs that are confined, by number. Methods raise JournalUnusable, and nothing else.

    `without` are processes that are never confined with a job that they descend from: the
    foreground applications. Other jobs are never, nor is a job that ilgov itself descends from. Of
    a job that `uid` has registered only processes of this user are; of root's (0) everybody's.
    """

    def __init__(
        self,
        root: Path,
        writer: KnobWriter,
        calls: SchedulerCalls,
        *,
        kind: Kind = "cgroup",
        table: ProcessTable | None = None,
        own_pid: int | None = None,
    ) -> None:
        """`kind` "affinity": no groups. With a `table` its last scan tells who was born."""
        self._root = root
        self._writer = writer
        self._calls = calls
        self._kind = kind
        self._table = table
        is_machine = root.resolve() == Path("/")
        self._own_pid = os.getpid() if own_pid is None and is_machine else own_pid
        self._jobs: dict[int, _Job] = {}
        self.without: frozenset[int] = frozenset()

    @property
    def paused(self) -> frozenset[int]:
        """The jobs that are frozen or stopped."""
        return frozenset(number for number, job in self._jobs.items() if job.paused)

    def confine(
        self,
        job_id: int,
        key: ProcessKey,
        grant: TrainingGrant,
        memory_bytes: float | None = None,
        *,
        uid: int = ROOT_UID,
    ) -> tuple[str, ...]:
        """Hold a job to its grant, and let it go on if it was paused; what is not done, in words.

        A grant that pauses changes nothing here: the job may have to store where it is first, and
        `pause` is for one that does not. A process that has ended is passed over.
        """
        job = self._job(job_id, key, uid)
        if job is None or grant.pauses:
            return ()
        if job.asked == (grant, memory_bytes) and not job.paused:
            return ()
        if self._is_ilgovs(job):
            return self._left_alone(job_id, job)
        job.asked, job.throttled = (grant, memory_bytes), False
        problems = self._apply(job, grant) + self._limit_memory(job, memory_bytes)
        return self._told(job_id, problems + self._resume(job))

    def pause(
        self, job_id: int, key: ProcessKey | None = None, *, uid: int = ROOT_UID
    ) -> tuple[str, ...]:
        """Freeze a job, or stop its processes; what does not stand still, in words.

        `key` and `uid` are for one that was never confined.
        """
        job = self._job(job_id, key, uid)
        if job is None or job.paused:
            return ()
        if self._is_ilgovs(job):
            return self._left_alone(job_id, job)
        job.paused = True
        problems = self._enter(job)
        if job.group is not None and job.group.freeze(frozen=True):
            return self._told(job_id, problems + self._stop_outside(job))
        return self._told(job_id, problems + job.threads.stop(self._family(job)))

    def throttle(
        self, job_id: int, key: ProcessKey | None = None, *, uid: int = ROOT_UID
    ) -> tuple[str, ...]:
        """Leave a job a hundredth of a core's time: it can still be heard.

        Until its next grant or `relieve`. For one that says nothing any more; frozen it never could
        again. Where that is not kept, in
        words. `key` and `uid` as in `pause`.
        """
        job = self._job(job_id, key, uid)
        if job is None or job.paused or job.throttled:
            return ()
        if self._is_ilgovs(job):
            return self._left_alone(job_id, job)
        job.asked, job.throttled = None, True
        problems = self._enter(job)
        try:
            if job.group is None:
                problems += ("to be throttled it needs a control group",)
            else:
                job.group.write("cpu.max", _THROTTLED, controller="cpu")
        except GroupUnusable as error:
            problems += (f"it is not throttled: {error}",)
        return self._told(job_id, problems)

    def relieve(self, still_silent: Container[int]) -> tuple[str, ...]:
        """Let the jobs that were throttled have their time again, but these; what was not done."""
        problems: tuple[str, ...] = ()
        for number, job in self._jobs.items():
            if job.throttled and number not in still_silent:
                job.throttled = False
                try:
                    if job.group is not None:
                        job.group.reset("cpu.max", _NO_LIMIT)
                except GroupUnusable as error:
                    problems += self._told(number, (f"it is throttled still: {error}",))
        return problems

    def resume(self, job_id: int) -> tuple[str, ...]:
        """Let a paused job go on; what does not, in words."""
        job = self._jobs.get(job_id)
        return () if job is None else self._told(job_id, self._resume(job))

    def release(self, job_id: int) -> tuple[str, ...]:
        """Put a job back where it was, running as before, and forget it; what was not done."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return ()
        problems = job.threads.go_on()
        if job.group is not None:
            problems += job.group.leave()
        problems += self._writer.restore_process(job.key).problems
        return self._told(job_id, problems)

    def hold(self) -> tuple[str, ...]:
        """Keep jobs where they are, with who was born; let go of those that have ended.

        Once in a migration period. What another hand has changed is written again, and said.
        """
        problems: tuple[str, ...] = ()
        for number, job in list(self._jobs.items()):
            if not self._is_alive(job.key):
                problems += self.release(number)
            elif not self._writer.dry_run:
                problems += self._told(number, self._hold(job))
        return problems

    def keep_only(self, job_ids: frozenset[int]) -> tuple[str, ...]:
        """Release all jobs but these; what was not done."""
        gone = [number for number in self._jobs if number not in job_ids]
        return tuple(problem for number in gone for problem in self.release(number))

    def forget(self) -> None:
        """Everything is as it was before: no job is confined."""
        self._jobs.clear()

    # --- one job ----------------------------------------------------------------------------------

    def _job(self, job_id: int, key: ProcessKey | None, uid: int) -> _Job | None:
        """The job, with its present process; None where that has ended."""
        job = self._jobs.get(job_id)
        if job is not None and key is not None and job.key != key:
            self.release(job_id)
            job = None
        if job is None and key is not None and self._is_alive(key):
            group = JobGroup(job_id, key, self._writer) if self._kind == "cgroup" else None
            threads = ByThreads(self._root, key, self._writer, self._calls)
            job = self._jobs[job_id] = _Job(key, group, threads, uid)
        return job

    def _apply(self, job: _Job, grant: TrainingGrant) -> tuple[str, ...]:
        problems = self._enter(job)
        if grant.cores:
            problems += self._set_cores(job, grant.cores)
        return problems + self._limit_time(job, grant)

    def _enter(self, job: _Job) -> tuple[str, ...]:
        """Put the job into its group; one that cannot have one has none from now on.

        A group that has vanished is made anew, once.
        """
        if job.group is None:
            return ()
        had_one = job.group.entered
        try:
            try:
                problems = job.group.enter(self._family(job, fresh=not had_one))
            except GroupUnusable:
                if not had_one:
                    raise
                problems = job.group.enter(self._family(job))
            return problems + self._let_strangers_out(job, job.group)
        except GroupUnusable as error:
            job.group = None
            return (f"{error}; masks and signals are used instead",)

    def _set_cores(self, job: _Job, cores: tuple[int, ...]) -> tuple[str, ...]:
        job.cores = cores
        problems: tuple[str, ...] = ()
        if job.group is not None and not job.by_masks:
            problems = self._set_cpuset(job, job.group, cores)
        if job.group is None or job.by_masks:
            return problems + job.threads.place(self._family(job)(()), cores)
        outside = self._outside(job, job.group.members())
        return problems + job.threads.place(outside, cores)

    def _set_cpuset(self, job: _Job, group: JobGroup, cores: tuple[int, ...]) -> tuple[str, ...]:
        try:
            group.write("cpuset.cpus", format_cpu_list(cores), controller="cpuset")
        except GroupUnusable as error:
            job.by_masks = True
            return (f"{error}; masks of threads are used instead",)
        return ()

    def _limit_time(self, job: _Job, grant: TrainingGrant) -> tuple[str, ...]:
        """Set the share of the cores' time and the weight against others."""
        wanted = grant.cpu_max is not None or grant.nice != 0
        if job.group is None:
            return (f"{_time_words(grant)} needs a control group",) if wanted else ()
        try:
            if grant.cpu_max is None:
                job.group.reset("cpu.max", _NO_LIMIT)
            else:
                job.group.write("cpu.max", _quota(grant, grant.cpu_max), controller="cpu")
            self._set_nice(job, job.group, grant.nice)
        except (GroupUnusable, WriteRefused) as error:
            return (f"{_time_words(grant)} is not kept: {error}",)
        return ()

    def _set_nice(self, job: _Job, group: JobGroup, nice: int) -> None:
        """Weigh the job against the others, and all jobs together against all other processes."""
        if nice == 0 and job.nice == 0:
            return
        group.write("cpu.weight.nice", str(nice), controller="cpu")
        job.nice = nice
        least = min(other.nice for other in self._jobs.values())
        self._writer.write(f"{TOP}/cpu.weight.nice", str(least))

    def _limit_memory(self, job: _Job, memory_bytes: float | None) -> tuple[str, ...]:
        if job.group is None:
            return () if memory_bytes is None else ("a limit of memory needs a control group",)
        try:
            if memory_bytes is None:
                job.group.reset("memory.high", "max")
            else:
                job.group.write("memory.high", str(int(memory_bytes)), controller="memory")
        except GroupUnusable as error:
            return (f"the limit of memory is not kept: {error}",)
        return ()

    def _resume(self, job: _Job) -> tuple[str, ...]:
        if not job.paused:
            return ()
        job.paused = False
        problems = job.threads.go_on()
        if job.group is not None and job.group.entered and not job.group.freeze(frozen=False):
            problems += (f"{job.group.path} must be thawed",)
        return problems

    def _hold(self, job: _Job) -> tuple[str, ...]:
        problems: tuple[str, ...] = ()
        family = self._family(job, fresh=False)
        if job.group is not None and job.group.entered:
            try:
                problems += job.group.enter(family)
                problems += self._let_strangers_out(job, job.group)
            except GroupUnusable as error:
                return (f"{error}; it is put into a group anew", *self._again(job))
            if not job.group.is_as_set("cpuset.cpus"):
                problems += (f"{job.group.path}/cpuset.cpus was changed by another hand",)
                problems += self._set_cores(job, job.cores)
        if job.cores and (job.group is None or job.by_masks):
            problems += job.threads.place(family(()), job.cores)
        if job.paused and (job.group is None or not job.group.entered):
            problems += job.threads.stop(family)
        return problems

    def _again(self, job: _Job) -> tuple[str, ...]:
        """Put a job whose group has vanished into a new one, as it was asked last."""
        problems = self._enter(job)
        if job.cores:
            problems += self._set_cores(job, job.cores)
        job.asked = None
        if job.paused and job.group is not None:
            job.group.freeze(frozen=True)
        return problems

    def _let_strangers_out(self, job: _Job, group: JobGroup) -> tuple[str, ...]:
        """Who was born in the group may be another user's by now, an application, or a job."""
        members = group.members()
        strangers = {pid for pid in members if not belongs_to(self._root, pid, job.uid)}
        spared = members & self._not_its(job)
        if spared:
            lives = read_all_lives(self._root)
            keys = [ProcessKey(pid, lives[pid].start_ticks) for pid in spared if pid in lives]
            families = [family_of(key, lives, without=(job.key.pid,)) for key in keys]
            strangers |= members & {key.pid for family in families for key in family}
        return group.let_out(strangers)

    # --- who belongs to it ------------------------------------------------------------------------

    def _family(
        self, job: _Job, *, fresh: bool = True
    ) -> Callable[[Sequence[int]], Sequence[ProcessKey]]:
        """Who belongs to a job: as of now, or (`fresh` False) of the table's last scan."""
        without = self._not_its(job)

        def found(more: Sequence[int]) -> Sequence[ProcessKey]:
            if fresh or self._table is None:
                lives = read_all_lives(self._root)
                return self._own(job, family_of(job.key, lives, more=more, without=without))
            pids = self._table.family(job.key.pid, without=without)
            keys = [self._table.key_of(pid) for pid in pids]
            return self._own(job, [key for key in keys if key is not None])

        return found

    def _not_its(self, job: _Job) -> frozenset[int]:
        """Who is not held with a job though it descends from it."""
        return self.without | {other.key.pid for other in self._jobs.values() if other is not job}

    def _own(self, job: _Job, keys: Sequence[ProcessKey]) -> Sequence[ProcessKey]:
        """Those that belong to who has registered the job."""
        return [key for key in keys if belongs_to(self._root, key.pid, job.uid)]

    def _outside(self, job: _Job, inside: frozenset[int]) -> list[ProcessKey]:
        """Those of a job's processes that could not be moved into its group."""
        return [key for key in self._family(job, fresh=False)(()) if key.pid not in inside]

    def _is_alive(self, key: ProcessKey) -> bool:
        life = read_life(self._root, key.pid)
        return life is not None and life.start_ticks == key.start_ticks

    def _stop_outside(self, job: _Job) -> tuple[str, ...]:
        """Stop those of a frozen job's processes that could not be moved into its group."""
        inside = frozenset() if job.group is None else job.group.members()
        if self._writer.dry_run or not self._outside(job, inside):
            return ()
        return job.threads.stop(lambda _: self._outside(job, inside))

    def _is_ilgovs(self, job: _Job) -> bool:
        """Whether to pause a job would stop init, or ilgov itself; looked at once."""
        if job.is_ilgovs is None:
            pids = {key.pid for key in self._family(job)(())}
            job.is_ilgovs = job.key.pid == 1 or self._own_pid in pids
        return job.is_ilgovs

    def _left_alone(self, job_id: int, job: _Job) -> tuple[str, ...]:
        problem = f"process {job.key.pid} must not be one that ilgov descends from"
        return self._told(job_id, (problem,))

    def _told(self, job_id: int, problems: tuple[str, ...]) -> tuple[str, ...]:
        """Say what is new; what is the same at every look is for debugging."""
        job = self._jobs.get(job_id)
        said = frozenset() if job is None else job.said
        told = tuple(f"training job {job_id}: {problem}" for problem in problems)
        for problem in told:
            logger.log(logging.DEBUG if problem in said else logging.WARNING, "%s", problem)
        if job is not None and told:
            job.said = frozenset(told)
        return told


def _quota(grant: TrainingGrant, share: float) -> str:
    """The content of ``cpu.max`` for a share of the cores' time.

    >>> _quota(TrainingGrant(1, 0, (0, 1), cpu_max=0.25), 0.25)
    '50000 100000'
    """
    quota_us = round(share * max(1, len(grant.cores)) * PERIOD_US)
    return f"{max(_LEAST_QUOTA_US, quota_us)} {PERIOD_US}"


def _time_words(grant: TrainingGrant) -> str:
    return "a share of the cores' time" if grant.cpu_max is not None else f"nice {grant.nice}"
