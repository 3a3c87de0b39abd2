"""Makes control groups and writes their knobs, each step in the journal before."""

import errno
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from platforms.linux.knobs.file_undo import Pause
from platforms.linux.knobs.group_calls import GROUPS, GroupCalls
from platforms.linux.knobs.group_undo import (
    move_back,
    old_group,
    undo_controllers,
    undo_groups,
)
from platforms.linux.knobs.journal import Journal
from platforms.linux.knobs.journal_entries import Undo
from platforms.linux.knobs.knob_file import KnobFile, refused
from platforms.linux.knobs.process_start import read_all_lives, read_life
from platforms.linux.knobs.restore_report import RestoreReport
from platforms.linux.managed import ProcessKey


class GroupWriter:
    """A part of `KnobWriter`, which makes it; without a journal it only says what it would do.

    Methods raise WriteRefused and JournalUnusable as `KnobWriter`'s do.
    """

    def __init__(
        self,
        root: Path,
        journal: Journal | None,
        calls: GroupCalls,
        would: Callable[[str, str], None],
        *,
        pause: Pause,
    ) -> None:
        self._root = root
        self._journal = journal
        self._would = would
        self._pause = pause
        self.calls = calls

    def make(self, group: str) -> None:
        """Make a group, to be removed again; one that is there already is as if it was made."""
        if self._journal is None:
            self._would(group, "make")
            return
        self._journal.remember_group(group)
        try:
            self.calls.make(group)
        except FileExistsError:
            return
        except OSError as error:
            self._journal.forget_group(group)
            raise refused(group, "be made", error) from error

    def switch_on(self, group: str, controller: str) -> None:
        """Let the groups in `group` have a controller, to be taken away again; if they have not."""
        if controller in self.calls.words(group, "cgroup.subtree_control"):
            return
        if self._journal is None:
            self._would(group, f"+{controller}")
            return
        self._journal.remember_controller(group, controller)
        try:
            self.calls.control(group, f"+{controller}")
        except OSError as error:
            knob = f"{group}/cgroup.subtree_control"
            raise refused(knob, f"take +{controller}", error) from error

    def write(self, group: str, name: str, value: str) -> str:
        """Write a knob of a group that was made; what it reads then.

        It needs no entry of its own: with the group it will be gone.
        """
        if self._journal is None:
            self._would(f"{group}/{name}", value)
            return value
        if group not in self._journal.groups:
            raise refused(f"{group}/{name}", "belong to a group that ilgov has made", "another one")
        knob = KnobFile(self._root, f"{group}/{name}")
        try:
            knob.write(value)
            return knob.read()
        finally:
            knob.close()

    def move(self, members: Iterable[ProcessKey], group: str) -> tuple[str, ...]:
        """Move processes into a group that was made; those that could not be, in words."""
        moving = tuple(members)
        if self._journal is None:
            for key in moving:
                self._would(f"process {key.pid}", group)
            return ()
        now = {key: self.calls.group_of(key.pid) for key in moving}
        known = {
            key: _first_group(key, path, self._journal.groups)
            for key, path in now.items()
            if path is not None and path != group
        }
        self._journal.remember_members(group, known)
        problems = []
        for key in known:
            if not self._is_same(key):
                continue
            try:
                self.calls.move(key.pid, group)
            except ProcessLookupError:
                continue
            except OSError as error:
                if error.errno in {errno.ENOENT, errno.ENODEV}:
                    raise refused(group, f"take process {key.pid}", error) from error
                problems.append(str(refused(group, f"take process {key.pid}", error)))
        return tuple(problems)

    def let_out(self, pids: Iterable[int], group: str) -> tuple[str, ...]:
        """Put members of a group that was made back where they came from; who could not be."""
        if self._journal is None:
            return ()
        members = self._journal.groups.get(group, {})
        lives = read_all_lives(self._root)
        problems = []
        for pid in pids:
            try:
                move_back(pid, old_group(pid, lives, members), self.calls)
            except OSError as error:
                problems.append(str(refused(group, f"let go of process {pid}", error)))
        return tuple(problems)

    def remove(self, group: str) -> RestoreReport:
        """Put a group's processes back where they were, and remove it."""
        if self._journal is None or group not in self._journal.groups:
            return RestoreReport()
        report = self.undo(Undo(groups={group: dict(self._journal.groups[group])}))
        if not report.problems:
            self._journal.forget_group(group)
        return report

    def undo(self, undo: Undo, left: Undo | None = None) -> RestoreReport:
        """Undo groups and controllers; what could not be is added to `left`.

        Controllers stay while a group could not be removed: it may need them.
        """
        groups = undo_groups(self._root, undo.groups, self.calls, pause=self._pause)
        problems = list(groups.problems.values())
        if problems and left is not None:
            left.groups.update({path: undo.groups[path] for path in groups.problems})
            left.controllers = list(undo.controllers)
        if not problems:
            failed = undo_controllers(reversed(undo.controllers), self.calls)
            problems += failed.values()
            if left is not None:
                left.controllers = list(failed)
        return RestoreReport(groups.restored, tuple(problems), groups.gone)

    def _is_same(self, key: ProcessKey) -> bool:
        """Whether it runs still: while the disk was waited for its number may have become free."""
        life = read_life(self._root, key.pid)
        return life is not None and life.start_ticks == key.start_ticks


def _first_group(key: ProcessKey, path: str, made: Mapping[str, Mapping[ProcessKey, str]]) -> str:
    """Where a process was before it came into a group of ilgov's, if it is in one."""
    if path not in made:
        return path
    return made[path].get(key) or next(iter(made[path].values()), GROUPS)
