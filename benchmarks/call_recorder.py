"""Which system calls a piece of code makes through `os`, and what those alone cost.

`recorded` notes every call of the functions in `WATCHED` while the code runs; `replay` makes the
same calls again, bare, in the same order. The ratio of the two times says how much of the code is
Python around what it cannot do without.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

WATCHED = (
    "pread",
    "read",
    "pwrite",
    "write",
    "open",
    "close",
    "stat",
    "readlink",
    "listdir",
    "scandir",
    "sched_getaffinity",
    "sched_setaffinity",
)

Call = tuple[Callable[..., Any], tuple[Any, ...], int]
"""A function, its arguments, and what it returned if that was a number."""


Place = tuple[object, str]
"""Who has a function as an attribute, and the attribute's name."""


@contextmanager
def recorded(bound: Sequence[Place] = ()) -> Iterator[list[Call]]:
    """Collect the calls made within the block; they are carried out as ever.

    `bound` are the places beside `os` where one of the functions is called from.
    """
    calls: list[Call] = []
    places = [*[(os, name) for name in WATCHED], *bound]
    originals = [getattr(holder, name) for holder, name in places]

    def watching(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            result = original(*args)
            calls.append((original, args, result if isinstance(result, int) else -1))
            return result

        return call

    def put(functions: Iterable[Callable[..., Any]]) -> None:
        for (holder, name), function in zip(places, functions, strict=True):
            setattr(holder, name, staticmethod(function) if isinstance(holder, type) else function)

    put([watching(original) for original in originals])
    try:
        yield calls
    finally:
        put(originals)


def replay(calls: list[Call]) -> Callable[[], None]:
    """What makes the same calls again, with as little Python around them as there can be.

    Folders are read to their end. A descriptor that was opened within is given on to the calls that
    it was given to.
    """
    if any(function is os.open for function, *_ in calls):
        return partial(_replay_with_descriptors, calls)
    bare = [partial(function, *args) for function, args, _ in calls]

    def run() -> None:
        for call in bare:
            call()

    return run


def _replay_with_descriptors(calls: list[Call]) -> None:
    now: dict[int, int] = {}
    for function, made_with, before in calls:
        is_of_descriptor = made_with and isinstance(made_with[0], int) and made_with[0] in now
        args = (now[made_with[0]], *made_with[1:]) if is_of_descriptor else made_with
        try:
            result = function(*args)
            if function is os.open:
                now[before] = result
            elif function is os.scandir:
                for _ in result:
                    pass
        except OSError:
            pass
