"""Which system calls a piece of code makes through `os`, and what those alone cost.

`recorded` notes every call of the functions in `WATCHED` while the code runs; `replay` makes the
same calls again, bare, in the same order. The ratio of the two times says how much of the code is
Python around what it cannot do without.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

WATCHED = ("pread", "preadv", "read", "readv", "pwrite", "write", "sched_getaffinity", "sched_setaffinity")

Call = tuple[Callable[..., Any], tuple[Any, ...]]


@contextmanager
def recorded() -> Iterator[list[Call]]:
    """Collect the calls made within the block; they are carried out as ever."""
    calls: list[Call] = []
    originals = {name: getattr(os, name) for name in WATCHED}

    def watching(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            calls.append((original, args))
            return original(*args)

        return call

    for name, original in originals.items():
        setattr(os, name, watching(original))
    try:
        yield calls
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def replay(calls: list[Call]) -> None:
    """Make the same calls again; what fails now fails for good reason and costs as much."""
    for function, args in calls:
        try:
            function(*args)
        except OSError:
            pass
