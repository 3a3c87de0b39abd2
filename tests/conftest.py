"""What tests of all packages share."""

import signal
from collections.abc import Callable
from typing import NamedTuple

import hypothesis
import pytest

from rm.main import main
from traces.numeric_threads import ONE_NUMERIC_THREAD

# The same examples in every run, and no time limit: machines that run tests are busy.
hypothesis.settings.register_profile("ilgov", derandomize=True, deadline=None)
hypothesis.settings.load_profile("ilgov")


# Who starts the tests in the background of a shell has Ctrl-C ignored, and so have all that they
# start; those that test Ctrl-C send it themselves.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Ended(NamedTuple):
    """What a command line left behind."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def ilgov(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """Run a command line in this process: ``ilgov("trace", "check", path).code``."""
    for name, value in ONE_NUMERIC_THREAD.items():
        monkeypatch.setenv(name, value)  # as the command does, but undone after the test

    def run(*words: object) -> Ended:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Ended(code, *capsys.readouterr())

    return run
