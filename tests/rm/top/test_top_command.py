"""Tests of ``ilgov top`` in a real terminal, against a daemon whose status changes."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import Ended
from tests.rm.daemon.status_server import StatusServer, warming_up
from tests.rm.daemon.statuses import STATUS, crowded
from tests.rm.top.terminal import ILGOV, TmuxTerminal

Ilgov = Callable[..., Ended]

PROMPT = re.compile(r"\$\s*\Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the daemon listens."""
    return tmp_path / "socket"


@contextmanager
def changing(path: Path) -> Iterator[StatusServer]:
    """A daemon on a board that warms up."""
    start_s = time.monotonic()
    with StatusServer(path, lambda: warming_up(time.monotonic() - start_s)) as server:
        yield server


@contextmanager
def viewed(path: Path, *words: str) -> Iterator[TmuxTerminal]:
    """The view of that daemon, in a terminal of 80x24."""
    with TmuxTerminal() as terminal:
        terminal.type(f"clear; {ILGOV} top --socket {path} {' '.join(words)}")
        terminal.wait_for("q quits")
        yield terminal


def test_the_view_fills_80x24_and_follows_the_daemon(path: Path) -> None:
    """Every period a new reading, and one more column of history."""
    with changing(path) as server, viewed(path, "--period-s 0.1") as terminal:
        screen = terminal.wait_for("last 2 s")
        lines = screen.splitlines()
        assert 24 == len(lines)
        assert lines[0].startswith(" ilgov 0.1.0  hikey970  policy ilgov")
        assert lines[-1].endswith("q quits")
        assert re.search(r"soc +\d\d\.\d °C  [▁▂▃▄▅▆▇█]{15,}", screen)
        assert re.search(r"little +\d+ +\d+ +1844   0 .* 3 ", screen)
        assert "video" in screen
        assert len(server.requests) > 15
        first = re.search(r"soc +(\d\d\.\d)", screen)
        assert first
        terminal.wait_for(lambda later: first[0] not in later)


@pytest.mark.parametrize("key", ["q", "C-c", "Escape"])
def test_it_ends_by_a_key_and_leaves_the_terminal_as_it_was(path: Path, key: str) -> None:
    """Screen, cursor, echo, line mode."""
    with changing(path), TmuxTerminal() as terminal:
        terminal.type("echo be''fore")
        terminal.wait_for("before")
        settings = terminal.settings()
        terminal.type(f"clear; echo st''ays; {ILGOV} top --socket {path}")
        terminal.wait_for("q quits")
        terminal.press(key)
        screen = terminal.wait_for(lambda shown: "stays" in shown and bool(PROMPT.search(shown)))
        assert "q quits" not in screen
        assert settings == terminal.settings()


def test_keys_that_mean_nothing_do_not_end_it(path: Path) -> None:
    """An arrow key begins with the character of Escape."""
    with changing(path), viewed(path, "--period-s 0.1") as terminal:
        terminal.press("Up", "x", "Enter", "F5")
        time.sleep(0.5)
        assert "q quits" in terminal.screen()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(path: Path, number: signal.Signals) -> None:
    """Whoever kills it finds a usable terminal."""
    with changing(path), TmuxTerminal() as terminal:
        settings = terminal.settings()
        noted = path.with_name("pid")
        terminal.type(f"clear; {ILGOV} top --socket {path} & echo $! >{noted}; fg")
        terminal.wait_for("q quits")
        os.kill(int(noted.read_text()), number)
        terminal.wait_for(lambda shown: "q quits" not in shown and bool(PROMPT.search(shown)))
        assert settings == terminal.settings()


def test_it_can_be_suspended(path: Path) -> None:
    """Ctrl-Z gives the shell back, ``fg`` the view."""
    with changing(path), viewed(path) as terminal:
        terminal.press("C-z")
        assert "q quits" not in terminal.wait_for("Stopped")
        terminal.type("fg")
        terminal.wait_for("q quits")
        terminal.press("q")
        terminal.wait_for(lambda shown: "q quits" not in shown and bool(PROMPT.search(shown)))


def is_last_line(shown: str, *, number: int, width: int) -> bool:
    """Whether the frame's last line is this one, and ends at the last column but one."""
    lines = shown.splitlines()
    return number == len(lines) and lines[-1].endswith("q quits") and width - 1 == len(lines[-1])


def test_it_follows_the_windows_size_at_once(path: Path) -> None:
    """Not with the next reading, which is a minute away."""
    with changing(path), viewed(path, "--period-s 60") as terminal:
        terminal.resize(width=120, height=40)
        terminal.wait_for(lambda shown: is_last_line(shown, number=40, width=120))
        terminal.resize(width=50, height=10)
        narrow = terminal.wait_for(lambda shown: is_last_line(shown, number=10, width=50))
        assert narrow.startswith(" ilgov")


def test_a_daemon_that_goes_away_is_told_and_one_that_comes_back_is_shown(path: Path) -> None:
    """The view stays open over a restart."""
    with changing(path), TmuxTerminal() as terminal:
        terminal.type(f"clear; {ILGOV} top --socket {path} --period-s 0.1")
        terminal.wait_for("q quits")
        path.rename(path.with_name("gone"))
        assert "no daemon runs at" in terminal.wait_for("NO ANSWER")
        path.with_name("gone").rename(path)
        terminal.wait_for("NORMAL")


def test_colours_mark_what_asks_for_attention(path: Path) -> None:
    """Red for a target that is missed."""
    with StatusServer(path, lambda: STATUS), viewed(path) as terminal:
        row = next(
            line for line in terminal.screen(with_styles=True).splitlines() if "index" in line
        )
        assert "\x1b[31m" in row.replace("\x1b[1m", "").replace("[1;31m", "[31m")


def test_once_prints_one_frame_with_all_applications(ilgov: Ilgov, path: Path) -> None:
    """Into a pipe as well, without control characters."""
    with StatusServer(path, lambda: crowded(100)):
        code, stdout, stderr = ilgov("top", "--once", "--socket", path)
    assert (0, "") == (code, stderr)
    assert 100 == stdout.count("worker-")
    assert "\x1b" not in stdout


def test_without_a_terminal_it_tells_what_to_use(ilgov: Ilgov, path: Path) -> None:
    """A live view in a file helps nobody."""
    with StatusServer(path, lambda: STATUS):
        code, _, stderr = ilgov("top", "--socket", path)
    assert 2 == code
    assert "'ilgov top' must run in a terminal" in stderr


def test_without_a_daemon_the_exit_code_is_3(ilgov: Ilgov, path: Path) -> None:
    """As of ``ilgov status``."""
    code, stdout, stderr = ilgov("top", "--socket", path)
    assert (3, "") == (code, stdout)
    assert f"no daemon runs at {path}" in stderr


@pytest.mark.parametrize("period_s", ["0", "61", "nan"])
def test_the_period_has_limits(ilgov: Ilgov, path: Path, period_s: str) -> None:
    """Each reading is work for the daemon."""
    code, _, stderr = ilgov("top", "--socket", path, "--period-s", period_s)
    assert 2 == code
    assert f"--period-s must be from 0.1 to 60 seconds (got {period_s})" in stderr


def test_without_rich_it_names_the_extra(
    ilgov: Ilgov, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest one that brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, stderr = ilgov("top", "--socket", path)
    assert 2 == code
    assert "pip install 'ilgov[daemon]'" in stderr
