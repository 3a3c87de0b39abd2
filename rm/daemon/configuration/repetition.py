"""Regular expressions that take for ever: those that repeat what is itself repeated."""

import re
from collections.abc import Iterator
from typing import Any

_MANY = 100


def repeats_a_repetition(pattern: str) -> bool:
    """Whether an unbounded (or large) repetition holds another one; `pattern` compiles.

    >>> repeats_a_repetition("(a+)+"), repeats_a_repetition("(ab)+c*"), repeats_a_repetition("a?")
    (True, False, False)
    """
    return _holds_one(re._parser.parse(pattern), inside=False)  # type: ignore[attr-defined]


def _holds_one(part: Any, *, inside: bool) -> bool:
    for name, argument in _operations(part):
        repeats = "REPEAT" in name and _most(argument) >= _MANY
        if repeats and inside:
            return True
        if any(_holds_one(sub, inside=inside or repeats) for sub in _parts(argument)):
            return True
    return False


def _most(argument: Any) -> int:
    return int(argument[1])


def _operations(part: Any) -> Iterator[tuple[str, Any]]:
    for operation, argument in part:
        yield str(operation), argument


def _parts(argument: Any) -> Iterator[Any]:
    """The patterns inside an operation's argument."""
    if isinstance(argument, re._parser.SubPattern):  # type: ignore[attr-defined]
        yield argument
    elif isinstance(argument, (tuple, list)):
        for inner in argument:
            yield from _parts(inner)
