"""Stops processes, each in the journal before, and lets them go on again."""

from collections.abc import Callable

from platforms.linux.knobs.journal import Journal
from platforms.linux.knobs.journal_entries import Undo
from platforms.linux.knobs.restore_report import RestoreReport
from platforms.linux.knobs.stop_calls import StopCalls
from platforms.linux.managed import ProcessKey


class StopWriter:
    """A part of `KnobWriter`, which makes it; without a journal it only says what it would do."""

    def __init__(
        self, journal: Journal | None, calls: StopCalls, would: Callable[[str, str], None]
    ) -> None:
        self._journal = journal
        self._calls = calls
        self._would = would

    def stop(self, key: ProcessKey) -> str | None:
        """Stop a process; why it could not be, None where it is or where it has ended.

        One that is stopped already is not ilgov's to continue, and is left alone.
        """
        if self._journal is None:
            self._would(f"process {key.pid}", "stop")
            return None
        if self._calls.is_stopped(key.pid):
            return None
        self._journal.remember_stopped(key)
        try:
            self._calls.stop(key)
        except ProcessLookupError:
            self._journal.forget_stopped(key)
        except OSError as error:
            self._journal.forget_stopped(key)
            return _problem(key, "stop", error)
        return None

    def go_on(self, key: ProcessKey) -> str | None:
        """Let a process go on that ilgov has stopped; why it could not, None where it does."""
        if self._journal is None:
            self._would(f"process {key.pid}", "continue")
            return None
        if key not in self._journal.stopped:
            return None
        problem = self._continue(key)
        if problem is None:
            self._journal.forget_stopped(key)
        return problem

    def undo(self, undo: Undo, left: Undo | None = None) -> RestoreReport:
        """Let all go on that were stopped; those that could not are added to `left`."""
        problems = []
        for key in sorted(undo.stopped, key=lambda key: key.pid):
            problem = self._continue(key)
            if problem is not None:
                problems.append(problem)
                if left is not None:
                    left.stopped.add(key)
        return RestoreReport(len(undo.stopped) - len(problems), tuple(problems))

    def _continue(self, key: ProcessKey) -> str | None:
        try:
            self._calls.go_on(key)
        except ProcessLookupError:
            return None
        except OSError as error:
            return _problem(key, "go on", error)
        return None


def _problem(key: ProcessKey, must: str, error: OSError) -> str:
    return f"process {key.pid} must {must} (got: {error.strerror or error})"
