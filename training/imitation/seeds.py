"""Fit several seeds, each in a process of its own, with progress and a clean end on Ctrl-C.

This module imports no torch: a new process is up and able to take its data before it does.
"""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from training.imitation.errors import TrainingFailed
from training.imitation.fit_data import Epoch, FitData, FitOptions, FitResult, Progress

_GRACE_S = 5.0


def fit_seeds(
    data: FitData,
    *,
    seeds: Sequence[int],
    options: FitOptions,
    jobs: int = 1,
    progress: Progress | None = None,
) -> tuple[FitResult, ...]:
    """The results of `seeds`, in their order, from at most `jobs` processes at once.

    With one job (or one seed) no process is started; the results are the same. Raises
    TrainingFailed for the first seed that fails. No process is left behind, not even on Ctrl-C.
    """
    if min(jobs, len(seeds)) <= 1:
        from training.imitation.fit import fit

        return tuple(fit(data, seed=seed, options=options, progress=progress) for seed in seeds)
    with _pool(data, options) as pool:
        return pool.run(seeds, jobs, progress)


class _Pool:
    """The processes that run now, by the connection they report on."""

    def __init__(self, data: FitData, options: FitOptions) -> None:
        self._data, self._options = data, options
        self._running: dict[Connection, tuple[int, BaseProcess]] = {}

    def run(
        self, seeds: Sequence[int], jobs: int, progress: Progress | None
    ) -> tuple[FitResult, ...]:
        """Keep `jobs` processes busy until every seed is done."""
        waiting = list(seeds)
        results: dict[int, FitResult] = {}
        while waiting or self._running:
            while waiting and len(self._running) < jobs:
                self._start(waiting.pop(0))
            for ready in connection.wait(list(self._running)):
                assert isinstance(ready, Connection)
                message = self._receive(ready)
                if isinstance(message, FitResult):
                    results[message.seed] = message
                    self._end(ready)
                elif progress is not None:
                    progress(message)
        return tuple(results[seed] for seed in seeds)

    def _start(self, seed: int) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), name=f"seed {seed}", daemon=True)
        with _interrupt_ignored():
            process.start()
        theirs.close()
        self._running[ours] = (seed, process)
        try:
            ours.send((self._data, seed, self._options))
        except OSError as error:
            raise self._gone(ours) from error

    def _receive(self, ready: Connection) -> Epoch | FitResult:
        try:
            message = ready.recv()
        except (EOFError, OSError) as error:
            raise self._gone(ready) from error
        if isinstance(message, Exception):
            raise message
        assert isinstance(message, Epoch | FitResult)
        return message

    def _gone(self, ready: Connection) -> TrainingFailed:
        seed, process = self._running[ready]
        process.join(_GRACE_S)
        return TrainingFailed(
            f"the process that trained seed {seed} must end with a result "
            f"(got exit code {process.exitcode}); -9 means that memory ran out: try --jobs 1"
        )

    def _end(self, ready: Connection) -> None:
        _, process = self._running.pop(ready)
        process.join()
        ready.close()

    def stop(self) -> None:
        """End every process that still runs."""
        for _, process in self._running.values():
            process.terminate()
        for ready, (_, process) in self._running.items():
            process.join(_GRACE_S)
            if process.is_alive():
                process.kill()
                process.join()
            ready.close()
        self._running.clear()


@contextmanager
def _pool(data: FitData, options: FitOptions) -> Iterator[_Pool]:
    pool = _Pool(data, options)
    try:
        yield pool
    finally:
        pool.stop()


@contextmanager
def _interrupt_ignored() -> Iterator[None]:
    """Let a process that starts within inherit that Ctrl-C is for its parent alone."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may change it, and only the main thread gets it
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(report: Connection) -> None:
    """The life of a process: take one task, report every epoch, then the result or what went wrong.

    It ends when nobody listens any more.
    """
    try:
        data, seed, options = report.recv()
        report.send(_result(report, data, seed, options))
    except (BrokenPipeError, ConnectionResetError, EOFError):
        return


def _result(
    report: Connection, data: FitData, seed: int, options: FitOptions
) -> FitResult | TrainingFailed:
    from training.imitation.fit import fit

    try:
        return fit(data, seed=seed, options=options, progress=report.send)
    except TrainingFailed as error:
        return error
