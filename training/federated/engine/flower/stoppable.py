"""Ctrl-C in a simulation: its server, which is a thread of Flower's, ends at its next look.

KeyboardInterrupt reaches the main thread alone, which in Flower 1.42 then waits for threads that
wait for the server, which goes on.
"""

import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, cast

from flwr.app import Message
from flwr.serverapp import Grid

from training.federated.engine.flower.exchange import receive


class Stoppable:
    """A grid whose every call ends the thread that makes it (SystemExit) once `stopped` is set."""

    def __init__(self, grid: Grid, stopped: threading.Event) -> None:
        self._grid, self._stopped = grid, stopped

    def __getattr__(self, name: str) -> Any:
        """What the grid itself has."""
        if self._stopped.is_set():
            raise SystemExit
        return getattr(self._grid, name)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> Iterable[Message]:
        """Flower's own would not look until all have answered."""
        until_s = threading.TIMEOUT_MAX if timeout is None else timeout
        answers = receive(
            cast(Grid, self), list(messages), until_s, lambda: set(self.get_node_ids())
        )
        return list(answers.values())


@contextmanager
def stopped_by_ctrl_c() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets; KeyboardInterrupt follows at the end of the block.

    A second Ctrl-C is one as always. For the main thread alone.
    """
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopped.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
        if stopped.is_set():
            raise KeyboardInterrupt
