"""Control groups that ilgov has made, undone: processes back to where they were, groups removed.

A process that was born in the group goes where its nearest ancestor was that was moved there. Where
an old group is gone, or may hold no processes any more, the nearest one above it takes them.
"""

import errno
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from platforms.linux.knobs.file_undo import Pause
from platforms.linux.knobs.group_calls import GROUPS, GroupCalls
from platforms.linux.knobs.process_family import nearest
from platforms.linux.knobs.process_start import Life, read_all_lives
from platforms.linux.managed import ProcessKey

_GONE = {errno.ENOENT, errno.ENODEV}
_ROUNDS = 50
"""Looks at a group's members: who forks while its parent is moved is born in the group still."""
_PAUSE_S = 0.001

Members = Mapping[ProcessKey, str]


class GroupsUndone(Struct, frozen=True):
    """Processes moved back and groups removed, groups that were gone, what went wrong by group."""

    restored: int
    gone: int
    problems: dict[str, str]


def undo_groups(
    root: Path,
    groups: Mapping[str, Members],
    calls: GroupCalls,
    *,
    pause: Pause = time.sleep,
) -> GroupsUndone:
    """Thaw and empty the groups, the innermost first, and remove them."""
    restored = gone = 0
    problems: dict[str, str] = {}
    for group in sorted(groups, key=lambda path: -path.count("/")):
        try:
            if not calls.exists(group):
                gone += 1
                continue
            restored += 1 + _undo_one(root, group, groups[group], calls, pause)
        except OSError as error:
            if _is_needed(group, groups, calls):
                continue
            problems[group] = f"{group} must be removed (got: {error.strerror or error})"
    return GroupsUndone(restored, gone, problems)


def undo_controllers(
    controllers: Iterable[tuple[str, str]], calls: GroupCalls
) -> dict[tuple[str, str], str]:
    """Switch controllers off that ilgov has switched on; what went wrong, by controller.

    One that another group has come to use meanwhile (EBUSY) stays on: it is no longer ilgov's.
    """
    problems = {}
    for group, name in controllers:
        try:
            calls.control(group, f"-{name}")
        except OSError as error:
            if error.errno not in {*_GONE, errno.EBUSY}:
                why = error.strerror or error
                problems[group, name] = f"{group} must let go of {name} (got: {why})"
    return problems


def thaw(group: str, calls: GroupCalls) -> None:
    """Let the processes of a group run, and of those in it, whatever has been frozen."""
    calls.freeze(group, frozen=False)
    for inner in calls.inner(group):
        thaw(inner, calls)


def _is_needed(group: str, groups: Mapping[str, Members], calls: GroupCalls) -> bool:
    """Whether a group without processes of its own holds another's groups, which must not go."""
    inner = calls.inner(group)
    return bool(inner) and not groups[group] and not any(each in groups for each in inner)


def _undo_one(root: Path, group: str, members: Members, calls: GroupCalls, pause: Pause) -> int:
    """Empty and remove a group; those inside it as well, if its own processes have made them."""
    thaw(group, calls)
    moved = 0
    if members:
        for inner in calls.inner(group):
            moved += _undo_one(root, inner, members, calls, pause)
    moved += _empty(root, group, members, calls)
    _remove(group, calls, pause)
    return moved


def _empty(root: Path, group: str, members: Members, calls: GroupCalls) -> int:
    moved = 0
    for _ in range(_ROUNDS):
        pids = [pid for pid in calls.members(group) if pid > 0]  # 0 would move this process
        if not pids:
            break
        lives = read_all_lives(root)
        for pid in pids:
            moved += move_back(pid, old_group(pid, lives, members), calls)
    return moved


def old_group(pid: int, lives: Mapping[int, Life], members: Members) -> str:
    """Where a process was; of an orphan that was born in the group, where the first one was."""
    return nearest(pid, lives, members.get) or next(iter(members.values()), GROUPS)


def move_back(pid: int, old: str, calls: GroupCalls) -> int:
    """Move a process to its old group, or the nearest one above that takes it."""
    while True:
        try:
            calls.move(pid, old)
        except ProcessLookupError:
            return 0
        except OSError:
            if old == GROUPS or not old.startswith(GROUPS):
                raise
            old = old.rpartition("/")[0]
            continue
        return 1


def _remove(group: str, calls: GroupCalls, pause: Pause) -> None:
    """Remove a group; one whose last process has just ended is busy for a moment."""
    for _ in range(_ROUNDS):
        try:
            calls.remove(group)
        except OSError as error:
            if error.errno in _GONE:
                return
            if error.errno not in {errno.EBUSY, errno.ENOTEMPTY} or calls.members(group):
                raise
            pause(_PAUSE_S)
            continue
        return
    calls.remove(group)
