"""``ilgov top``: a live view of the running daemon."""

import argparse
import importlib.util
import shutil
import time
from pathlib import Path

from platforms.errors import InvalidInput
from rm.status_command import add_socket_option, told_in_vain
from rm.status_reader import NoAnswer, NoDaemon, read_status
from rm.top.frame import Frame, frame_lines
from rm.top.glyphs import ASCII, BLOCKS
from rm.top.history import History
from rm.top.terminal import Terminal, print_lines, shows_blocks

_PERIODS_S = (0.1, 60.0)
_ESCAPE = "\x1b"


def configure(parser: argparse.ArgumentParser) -> None:
    """Live view of the daemon: temperatures, clusters, cores, applications against their targets.

    q, Escape or Ctrl-C ends it.
    """
    add_socket_option(parser)
    parser.add_argument(
        "--period-s",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="time between two readings, 0.1 to 60 s [%(default)s]",
    )
    parser.add_argument(
        "--once", action="store_true", help="print one frame with all applications, and end"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    if not _PERIODS_S[0] <= args.period_s <= _PERIODS_S[1]:
        raise InvalidInput(f"--period-s must be from 0.1 to 60 seconds (got {args.period_s:g})")
    if importlib.util.find_spec("rich") is None:
        raise InvalidInput(
            "'ilgov top' needs rich, which is not installed; install it with: "
            "pip install 'ilgov[daemon]'"
        )
    try:
        view = _View(args.socket, args.period_s)
        return _once(view) if args.once else _live(view)
    except (NoDaemon, NoAnswer) as error:
        return told_in_vain(error)


class _View:
    """The last answer, and how long ago it came."""

    def __init__(self, path: Path, period_s: float) -> None:
        """Ask for the first status; raises NoDaemon or NoAnswer where there is none."""
        self._path = path
        self._period_s = period_s
        self._history = History()
        self._status = read_status(path)
        self._history.add(self._status.temperatures)
        self._answered_s = time.monotonic()
        self._problem: str | None = None

    @property
    def period_s(self) -> float:
        """Time between two readings, seconds."""
        return self._period_s

    def update(self) -> None:
        """Ask again; without an answer the last one stays, and the problem is told."""
        try:
            self._status = read_status(self._path)
        except (NoDaemon, NoAnswer, InvalidInput) as error:
            self._problem = str(error)
            self._history.add_gap()
            return
        self._problem = None
        self._answered_s = time.monotonic()
        self._history.add(self._status.temperatures)

    def frame(self) -> Frame:
        """What there is to be shown now."""
        silent_s = time.monotonic() - self._answered_s
        return Frame(self._status, self._history, self._period_s, self._problem, silent_s)


def _once(view: _View) -> int:
    glyphs = BLOCKS if shows_blocks() else ASCII
    width = shutil.get_terminal_size().columns
    print_lines(frame_lines(view.frame(), glyphs, width=width, height=None))
    return 0


def _live(view: _View) -> int:
    glyphs = BLOCKS if shows_blocks() else ASCII
    with Terminal() as terminal:
        next_s = time.monotonic() + view.period_s
        while True:
            width, height = terminal.size
            terminal.draw(frame_lines(view.frame(), glyphs, width=width, height=height))
            if _ends(terminal.wait(next_s)):
                return 0
            if time.monotonic() >= next_s:
                view.update()
                next_s = max(next_s + view.period_s, time.monotonic())


def _ends(keys: str) -> bool:
    """Whether these keys end the view; an arrow key begins with an escape as well."""
    return keys == _ESCAPE or (not keys.startswith(_ESCAPE) and "q" in keys.lower())
