"""A real terminal for tests: a tmux server of its own with one window."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

ROOT = Path(__file__).parents[3]
ILGOV = f"{sys.executable} -m rm.main"
PATIENCE_S = 30.0


class TmuxTerminal:
    """A shell in a window; what it shows can be read, and keys be pressed."""

    def __init__(self, *, width: int = 80, height: int = 24) -> None:
        """Skips the test where tmux is missing."""
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed (Debian's package tmux)")
        self._folder = tempfile.TemporaryDirectory()
        self._size = ("-x", str(width), "-y", str(height))

    def __enter__(self) -> Self:
        """Start the window; its shell's prompt is a dollar sign."""
        shell = "env -u TMUX PS1='$ ' LC_ALL=C.UTF-8 bash --norc --noprofile"
        self._tmux("-f", "/dev/null", "new-session", "-d", *self._size, "-c", str(ROOT), shell)
        self.wait_for("$")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tmux("kill-server")
        self._folder.cleanup()

    def screen(self, *, with_styles: bool = False) -> str:
        """What is seen now."""
        return self._tmux("capture-pane", "-p", *(["-e"] if with_styles else []))

    def press(self, *keys: str) -> None:
        """Keys by tmux' names: ``q``, ``C-c``, ``Enter``."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """A line for the shell."""
        self._tmux("send-keys", "-l", text)
        self.press("Enter")

    def resize(self, *, width: int, height: int) -> None:
        """As if the window was dragged."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def wait_for(self, what: str | Callable[[str], bool]) -> str:
        """The screen as soon as it holds this text, or fulfils this condition."""
        holds = what if callable(what) else (lambda screen: what in screen)
        end_s = time.monotonic() + PATIENCE_S
        while not holds(screen := self.screen()):
            assert time.monotonic() < end_s, f"waited in vain for {what!r}; screen:\n{screen}"
            time.sleep(0.05)
        return screen

    def settings(self) -> str:
        """The terminal's line settings, as the shell's user would find them."""
        self.type("clear; stty -g; echo do''ne")
        lines = self.wait_for("done").splitlines()
        return next(line for line in lines if line.count(":") > 10)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-S", f"{self._folder.name}/tmux", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
