"""Tests of the ``ilgov`` command itself: finding subcommands, and telling what went wrong."""

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import rm.main
from npu_runtime.errors import WrongBoard
from platforms.errors import InvalidInput
from tests.conftest import Ended

Ilgov = Callable[..., Ended]


class FakeEntryPoint:
    """An installed subcommand that does what a test wants."""

    def __init__(self, name: str, action: Callable[[], int]) -> None:
        """`action` is run by the command and returns its exit code."""
        self.name = name
        self.loaded = 0
        self._action = action

    def load(self) -> Callable[[argparse.ArgumentParser], None]:
        """The configuring function, as an entry point gives it."""
        self.loaded += 1

        def configure(parser: argparse.ArgumentParser) -> None:
            """Do what the test wants.

            And more.
            """
            parser.set_defaults(run=lambda args: self._action())

        return configure


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[FakeEntryPoint]]:
    """Install subcommands instead of the real ones: ``install(go=action)``."""

    def put(**actions: Callable[[], int]) -> list[FakeEntryPoint]:
        points = [FakeEntryPoint(name, action) for name, action in actions.items()]
        monkeypatch.setattr("rm.main.entry_points", lambda group: points)
        return points

    return put


def raising(error: BaseException) -> Callable[[], int]:
    """An action that raises."""

    def act() -> int:
        raise error

    return act


def test_only_the_command_that_is_called_is_loaded(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """Loading every package for one command would make each start slow."""
    called, other = install(go=lambda: 0, stay=lambda: 1)
    assert Ended(0, "", "") == ilgov("go")
    assert (1, 0) == (called.loaded, other.loaded)


def test_the_commands_exit_code_is_the_programs(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """Scripts rely on it."""
    install(go=lambda: 1)
    assert 1 == ilgov("go").code


def test_help_lists_every_command_with_its_summary_and_the_exit_codes(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """The help text is the manual; a command's first line of docstring is its summary."""
    install(go=lambda: 0, stay=lambda: 0)
    code, stdout, stderr = ilgov("--help")
    assert (0, "") == (code, stderr)
    assert "    go        Do what the test wants.\n    stay      Do what" in stdout
    assert rm.main.EXIT_CODES in stdout


def test_a_commands_help_has_the_exit_codes_too(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """Nobody looks for them elsewhere."""
    install(go=lambda: 0)
    code, stdout, _ = ilgov("go", "--help")
    assert 0 == code
    assert stdout.startswith("usage: ilgov go [-h]\n\nDo what the test wants.\n")
    assert rm.main.EXIT_CODES in stdout


def test_no_command_shows_the_help_and_is_a_mistake(ilgov: Ilgov) -> None:
    """A script with an empty variable must not succeed."""
    code, stdout, stderr = ilgov()
    assert (2, "") == (code, stdout)
    assert stderr.startswith("usage: ilgov")


def test_a_mistyped_command_gets_the_list_and_a_guess(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """In one line."""
    install(train=lambda: 0, board=lambda: 0)
    expected = "command must be one of board, train (got 'trian'); did you mean 'train'?"
    assert Ended(2, "", f"ilgov: error: {expected}\n") == ilgov("trian")


def test_a_wrong_option_is_a_mistake(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """Options are not abbreviated either: a new one could change what an old script means."""
    install(go=lambda: 0)
    code, _, stderr = ilgov("go", "--fast")
    assert 2 == code
    assert "unrecognized arguments: --fast" in stderr


@pytest.mark.parametrize(
    "error",
    [
        InvalidInput("x.toml: name must be short (got 'long')"),
        WrongBoard("x.toml: name must be short (got 'long')"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]], error: Exception
) -> None:
    """A traceback tells a user nothing."""
    install(go=raising(error))
    message = "ilgov: error: x.toml: name must be short (got 'long')\n"
    assert Ended(2, "", message) == ilgov("go")


def test_what_the_system_refuses_is_one_line_with_the_file(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """A full disk or a missing permission is no fault of ilgov's."""
    install(go=raising(OSError(errno.ENOSPC, "No space left on device", "out.parquet")))
    message = "ilgov: error: out.parquet: No space left on device\n"
    assert Ended(2, "", message) == ilgov("go")


def test_ctrl_c_is_one_line_and_exit_code_130(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """The line says what to do next."""
    install(go=raising(KeyboardInterrupt()))
    message = "ilgov: interrupted; run the same command again to go on\n"
    assert Ended(130, "", message) == ilgov("go")


@pytest.mark.parametrize(
    ("module", "extra"), [("torch", "train"), ("plotly.express", "report"), ("flwr", "federated")]
)
def test_a_missing_optional_library_names_the_extra(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]], module: str, extra: str
) -> None:
    """The base install is enough for the board; the rest is asked for when it is needed."""
    install(go=raising(ModuleNotFoundError("No module", name=module)))
    code, _, stderr = ilgov("go")
    assert 2 == code
    assert (
        f"ilgov: error: this command needs {module}, which is not installed; "
        f"install it with: pip install 'ilgov[{extra}]'\n"
    ) == stderr


def test_a_broken_import_of_our_own_is_a_fault_with_a_traceback(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]]
) -> None:
    """No extra helps there."""
    install(go=raising(ModuleNotFoundError("No module", name="rm.nonsense")))
    with pytest.raises(ModuleNotFoundError):
        ilgov("go")


def test_help_survives_a_command_that_cannot_be_loaded(
    ilgov: Ilgov, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else's broken plug-in must not take the help away."""
    broken = EntryPoint("broken", "no_such_package:configure", rm.main.GROUP)
    monkeypatch.setattr("rm.main.entry_points", lambda group: [broken])
    code, stdout, _ = ilgov("--help")
    assert 0 == code
    assert "(cannot be loaded: No module named 'no_such_package')" in stdout


def test_every_installed_command_has_a_help_page_and_a_summary(ilgov: Ilgov) -> None:
    """A command without a summary is not found in the list."""
    code, listing, _ = ilgov("--help")
    assert 0 == code
    assert "cannot be loaded" not in listing
    for name in ("board", "trace", "oracle", "train", "evaluate", "demo"):
        code, page, _ = ilgov(name, "--help")
        assert 0 == code
        assert page.startswith(f"usage: ilgov {name} ")
        assert page.partition("\n\n")[2][:20] in listing


def test_a_reader_that_goes_away_ends_the_program_quietly() -> None:
    """``ilgov ... | head`` is what users do with long output."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as closed_pipe:
        ended = subprocess.run(
            [sys.executable, "-m", "rm.main", "board", "list"],
            stdout=closed_pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "" == ended.stderr


def test_the_start_of_the_command_loads_no_heavy_library() -> None:
    """The version or a typing mistake must be answered at once."""
    script = (
        "import sys, rm.main; codes = [rm.main.main([word]) for word in ('--version', 'trian')]; "
        "print(sorted({'numpy', 'torch', 'pyarrow', 'scipy'} & set(sys.modules)), codes)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "[] [0, 2]" == ended.stdout.splitlines()[1]


def test_an_output_in_a_forbidden_place_is_told_without_a_traceback(
    ilgov: Ilgov, install: Callable[..., list[FakeEntryPoint]], tmp_path: Path
) -> None:
    """Here a file stands where a folder is needed."""
    (tmp_path / "file").touch()

    def act() -> int:
        (tmp_path / "file" / "out").mkdir(parents=True)
        return 0

    install(go=act)
    assert Ended(2, "", f"ilgov: error: {tmp_path}/file/out: Not a directory\n") == ilgov("go")
