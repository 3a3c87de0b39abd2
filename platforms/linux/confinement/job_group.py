"""The control group of one training job: what it may use is written there, and it is frozen there.

The group ``/sys/fs/cgroup/ilgov/job-N`` is made when it is first needed, with the controllers that
are asked for and no others. Where the machine does not give what is needed, `GroupUnusable` says
why: then masks of threads and signals have to do.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

from platforms.linux.errors import WriteRefused
from platforms.linux.knobs.group_calls import GROUPS, GroupCalls
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.managed import ProcessKey

TOP = f"{GROUPS}/ilgov"
"""Holds the groups of all jobs."""

_LARGEST_PAGE_BYTES = 65536

_MOST_LOOKS = 20
"""At a family whose members fork while they are moved: who is born in the group stays in it."""

Family = Callable[[Sequence[int]], Sequence[ProcessKey]]
"""The processes of a job now; those given are its members though their parents have ended."""


class GroupUnusable(Exception):
    """The job cannot be put into a group of its own, or the group lacks what is asked; says why."""


class JobGroup:
    """The group of the job `job_id`, whose process is `key`; nothing is made before `enter`."""

    def __init__(self, job_id: int, key: ProcessKey, writer: KnobWriter) -> None:
        self.path = f"{TOP}/job-{job_id}"
        self.entered = False
        self._key = key
        self._writer = writer
        self._said: dict[str, str] = {}

    def enter(self, family: Family) -> tuple[str, ...]:
        """Make the group and move the job's processes there; those that stay outside, in words.

        Raises GroupUnusable; the job is then where it was.
        """
        if not self.entered:
            self._check(family(()))
            try:
                self._make()
            except WriteRefused as error:
                raise GroupUnusable(str(error)) from error
            self.entered = True
        try:
            return self._gather(family)
        except WriteRefused as error:
            self.leave()
            raise GroupUnusable(str(error)) from error

    def members(self) -> frozenset[int]:
        """The processes that are in the group; none where it is gone."""
        try:
            return frozenset(self._calls.members(self.path)) if self.entered else frozenset()
        except OSError:
            return frozenset()

    def write(self, name: str, value: str, *, controller: str) -> None:
        """Write one of the group's knobs if it does not say so already; GroupUnusable if refused.

        Of a memory limit the kernel takes whole pages.
        """
        if self._said.get(name) == value:
            return
        self._said.pop(name, None)
        try:
            self._bring(controller)
            now = self._writer.groups.write(self.path, name, value)
        except WriteRefused as error:
            raise GroupUnusable(str(error)) from error
        if not _is_same(name, value, now):
            raise GroupUnusable(f"{self.path}/{name} must read {value!r} (got {now!r})")
        self._said[name] = value

    def reset(self, name: str, value: str) -> None:
        """Write a knob back to what it says in a new group, if it was ever written."""
        if name in self._said:
            self.write(name, value, controller="")

    def is_as_set(self, name: str) -> bool:
        """Whether a knob still says what was written; another hand's writing is forgotten."""
        said = self._said.get(name)
        if said is None or self._writer.dry_run:
            return True
        now = " ".join(self._calls.words(self.path, name))
        if not _is_same(name, said, now):
            del self._said[name]
            return False
        return True

    def freeze(self, *, frozen: bool) -> bool:
        """Freeze or thaw all that is in the group; False where that cannot be done here."""
        if not self.entered:
            return False
        try:
            now = self._writer.groups.write(self.path, "cgroup.freeze", str(int(frozen)))
        except WriteRefused:
            return False
        return now == str(int(frozen))

    def let_out(self, strangers: Collection[int]) -> tuple[str, ...]:
        """Put members that are not the job's back where they came from; what went wrong."""
        return self._writer.groups.let_out(strangers, self.path) if strangers else ()

    def leave(self) -> tuple[str, ...]:
        """Put the processes back where they were, and remove the group; what went wrong."""
        self.entered = False
        self._said.clear()
        return self._writer.groups.remove(self.path).problems

    @property
    def _calls(self) -> GroupCalls:
        return self._writer.groups.calls

    def _check(self, family: Sequence[ProcessKey]) -> None:
        """Raise GroupUnusable unless every process can be moved, and back again."""
        if not self._calls.exists(GROUPS):
            raise GroupUnusable("there are no control groups of version 2 at /sys/fs/cgroup")
        pids = {key.pid for key in family}
        for pid in pids:
            self._check_one(pid, pids)

    def _check_one(self, pid: int, pids: Iterable[int]) -> None:
        old = self._calls.group_of(pid)
        if old is None:
            raise GroupUnusable(f"the control group of process {pid} cannot be seen from here")
        if not self._calls.may_join(old):
            raise GroupUnusable(
                f"process {pid} could not be put back into {old}, not writable here"
            )
        if self._calls.words(old, "cgroup.type") == ("threaded",):
            raise GroupUnusable(f"process {pid} is in {old}, a group of threads")
        if old.endswith(".scope") and self._would_empty(old, set(pids)):
            raise GroupUnusable(
                f"systemd would end {old.removeprefix(GROUPS)} without its last process; "
                "start the job as a service to have it confined by a group"
            )

    def _would_empty(self, group: str, pids: set[int]) -> bool:
        """Whether a group has no other processes than these, in groups inside it neither."""
        try:
            here = set(self._calls.members(group))
        except OSError:
            return False
        inner = self._calls.inner(group)
        return here <= pids and all(self._would_empty(each, pids) for each in inner)

    def _make(self) -> None:
        groups = self._writer.groups
        if not self._calls.exists(TOP):
            groups.make(TOP)
        groups.make(self.path)

    def _bring(self, controller: str) -> None:
        """Let the group have a controller, from the top group on."""
        if not controller or controller in self._calls.words(self.path, "cgroup.controllers"):
            return
        if controller not in self._calls.words(GROUPS, "cgroup.controllers"):
            raise GroupUnusable(f"this kernel's control groups lack the controller {controller}")
        for group in (GROUPS, TOP):
            self._writer.groups.switch_on(group, controller)

    def _gather(self, family: Family) -> tuple[str, ...]:
        """Move all who are not in the group until nobody is born outside it any more."""
        problems: tuple[str, ...] = ()
        tried: set[ProcessKey] = set()
        for _ in range(_MOST_LOOKS):
            members = self.members()
            outside = [
                key for key in family(tuple(members)) if key not in tried and key.pid not in members
            ]
            if not outside:
                break
            tried.update(outside)
            problems += self._writer.move(self._key, outside, self.path)
        return problems


def _is_same(name: str, wanted: str, now: str) -> bool:
    """Whether a knob says what was written; memory is counted in pages, weights in hundredths.

    >>> _is_same("memory.high", "100000", "98304"), _is_same("cpu.max", "max 100000", "max 100000")
    (True, True)
    >>> _is_same("cpu.weight.nice", "15", "14"), _is_same("cpuset.cpus", "0", "0-1")
    (True, False)
    """
    if wanted == now:
        return True
    try:
        difference = int(wanted) - int(now)
    except ValueError:
        return False
    if name == "cpu.weight.nice":
        return abs(difference) <= 1
    return name.startswith("memory.") and 0 <= difference < _LARGEST_PAGE_BYTES
