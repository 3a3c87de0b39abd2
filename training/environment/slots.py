"""A fixed number of places for a changing number of applications."""

from collections.abc import Sequence

from platforms.platform import ApplicationReading

Slotted = tuple[ApplicationReading | None, ...]
"""What is known of the application in each slot, None where the slot is empty."""


class Slots:
    """An application keeps its slot while it runs.

    A newcomer takes the lowest free slot; where none is free it waits, those who came first before
    those who came later. Who waits runs on, unseen and where it is.
    """

    def __init__(self, count: int) -> None:
        """All slots are empty."""
        self._ids: list[int | None] = [None] * count

    def seat(self, applications: Sequence[ApplicationReading]) -> Slotted:
        """Take in who came, let go who ended; `applications` are in the order of their arrival."""
        running = {app.id: app for app in applications}
        ids = [number if number in running else None for number in self._ids]
        free = (slot for slot, number in enumerate(ids) if number is None)
        newcomers = [app.id for app in applications if app.id not in ids]
        for slot, number in zip(list(free), newcomers, strict=False):
            ids[slot] = number
        self._ids = ids
        return tuple([None if number is None else running[number] for number in ids])
