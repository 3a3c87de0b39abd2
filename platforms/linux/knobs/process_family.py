"""Who descends from whom, as of one look at all processes."""

from collections.abc import Callable, Container, Iterable, Mapping
from typing import TypeVar

from platforms.linux.knobs.process_start import Life
from platforms.linux.managed import ProcessKey

_MOST_ANCESTORS = 64
Found = TypeVar("Found")


def children_of(lives: Mapping[int, Life]) -> dict[int, list[int]]:
    """The children of every process that has some."""
    children: dict[int, list[int]] = {}
    for pid, life in lives.items():
        children.setdefault(life.parent, []).append(pid)
    return children


def family_of(
    key: ProcessKey,
    lives: Mapping[int, Life],
    *,
    more: Iterable[int] = (),
    without: Container[int] = (),
) -> list[ProcessKey]:
    """A process with all that descend from it and from those in `more`, it first; [] if it ended.

    Those in `without` are left out, with their descendants.

    >>> lives = {5: Life(1, 50), 6: Life(5, 60), 7: Life(6, 70), 8: Life(1, 80)}
    >>> [member.pid for member in family_of(ProcessKey(5, 50), lives)]
    [5, 6, 7]
    >>> family_of(ProcessKey(5, 51), lives)
    []
    """
    life = lives.get(key.pid)
    if life is None or life.start_ticks != key.start_ticks:
        return []
    children = children_of(lives)
    found = [key.pid, *[pid for pid in more if pid in lives and pid != key.pid]]
    found = [pid for pid in found if pid not in without]
    seen = set(found)
    for pid in found:  # grows while it is walked
        born = children.get(pid, ())
        new = [child for child in born if child not in seen and child not in without]
        found += new
        seen.update(new)
    return [ProcessKey(pid, lives[pid].start_ticks) for pid in found]


def nearest(
    pid: int, lives: Mapping[int, Life], lookup: Callable[[ProcessKey], Found | None]
) -> Found | None:
    """What `lookup` finds for a process, else for its parent, its parent's parent and so on."""
    for _ in range(_MOST_ANCESTORS):
        life = lives.get(pid)
        if life is None:
            return None
        found = lookup(ProcessKey(pid, life.start_ticks))
        if found is not None:
            return found
        pid = life.parent
    return None
