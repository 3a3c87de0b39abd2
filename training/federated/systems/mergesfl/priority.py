"""Rotating priority: who was chosen least is in, whatever the labels say."""

from collections.abc import Mapping


def guest(chosen: Mapping[str, int], round_: int) -> str:
    """The worker that was chosen least so far; equals take turns with the rounds.

    With the same n workers present, all of them are in at least once in n rounds.

    >>> [guest({"a": 2, "b": 1, "c": 1}, round_) for round_ in (4, 5)]
    ['b', 'c']
    """
    least = min(chosen.values())
    equals = sorted(worker for worker, count in chosen.items() if count == least)
    return equals[round_ % len(equals)]
