"""The terminal while the view is shown: a screen of its own, keys as they are pressed, sizes.

However the view ends, the terminal is as it was before: on leaving the block, by Ctrl-C, SIGTERM or
SIGHUP, and while it is suspended by Ctrl-Z.
"""

import os
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from platforms.errors import InvalidInput
from rm.top.line import Line, Style

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES: dict[Style, str] = {
    "plain": "",
    "faint": "dim",
    "head": "bold cyan",
    "good": "green",
    "warn": "yellow",
    "bad": "bold red",
    "value": "bold",
}
_Handler = Callable[[int, FrameType | None], object]
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_SIGNAL_EXIT = 128
_KEYS_BYTES = 64


def print_lines(lines: Sequence[Line]) -> None:
    """Print a frame as it is, in colours where the terminal has them."""
    console = _console()
    for text in _texts(lines):
        console.print(text, no_wrap=True, overflow="ignore", crop=False)


def shows_blocks() -> bool:
    """Whether what is printed may hold characters beyond ASCII."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


class Terminal:
    """A terminal that shows one frame after the other, for one block."""

    def __init__(self) -> None:
        """Nothing is changed before the block begins."""
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise InvalidInput(
                "'ilgov top' must run in a terminal (got a pipe or a file); use --once or "
                "'ilgov status'"
            )
        self._console = _console()
        self._screen = ExitStack()
        self._signals = ExitStack()
        self._woken, self._waker = -1, -1

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, now; what the environment says of them holds for the start only."""
        width, height = os.get_terminal_size(sys.stdout.fileno())
        return width, height

    def draw(self, lines: Sequence[Line]) -> None:
        """Show this frame in place of the last one."""
        from rich.console import ConsoleDimensions, Group
        from rich.control import Control
        from rich.screen import Screen

        self._console.size = ConsoleDimensions(*self.size)
        with self._console:  # one write
            self._console.control(Control.home())
            self._console.print(Screen(Group(*_texts(lines))), end="")

    def wait(self, until_s: float) -> str:
        """The next key, or nothing when it is time or the size has changed."""
        wait_s = max(until_s - time.monotonic(), 0.0)
        ready, _, _ = select.select([sys.stdin, self._woken], [], [], wait_s)
        if self._woken in ready:
            os.read(self._woken, _KEYS_BYTES)
        if sys.stdin not in ready:
            return ""
        keys = os.read(sys.stdin.fileno(), _KEYS_BYTES)
        return keys.decode(errors="replace") if keys else "q"  # the terminal is gone

    def __enter__(self) -> Self:
        self._listen()
        self._enter_screen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._screen.close()
        self._signals.close()

    def _listen(self) -> None:
        """Signals end the wait; those that end the process do it by way of the block's end."""
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._signals.callback(os.close, self._woken)
        self._signals.callback(os.close, self._waker)
        before = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._signals.callback(signal.set_wakeup_fd, before)
        self._handle(signal.SIGWINCH, lambda *_: None)
        self._handle(signal.SIGTSTP, self._suspend)
        for number in _ENDING:
            self._handle(number, _end)

    def _handle(self, number: signal.Signals, handler: _Handler) -> None:
        self._signals.callback(signal.signal, number, signal.signal(number, handler))

    def _enter_screen(self) -> None:
        keys = sys.stdin.fileno()
        settings = termios.tcgetattr(keys)
        self._screen.callback(_restore, keys, settings)
        tty.setcbreak(keys)
        self._screen.enter_context(self._console.screen())

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: give the terminal back, stop, take it again when one goes on."""
        self._screen.close()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._enter_screen()


def _restore(keys: int, settings: list[object]) -> None:
    with suppress(termios.error):  # the terminal is gone
        termios.tcsetattr(keys, termios.TCSADRAIN, settings)  # type: ignore[arg-type]


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(_SIGNAL_EXIT + number)


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False)


def _texts(lines: Sequence[Line]) -> "list[Text]":
    from rich.text import Text

    return [
        Text.assemble(
            *((piece.text, STYLES[piece.style]) for piece in pieces),
            no_wrap=True,
            overflow="crop",
            end="\n",
        )
        for pieces in lines
    ]
