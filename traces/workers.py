"""Run many independent jobs in several processes, and stop all of them at Ctrl-C.

Processes are started afresh ("spawn"), so a worker sees nothing of its parent but the function and
its jobs: the outcome depends on neither the number of workers nor the order in which they finish.
"""

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, NamedTuple, TypeVar

from platforms.errors import InvalidInput
from traces.numeric_threads import ONE_NUMERIC_THREAD

Job = TypeVar("Job")
Result = TypeVar("Result")

_PATIENCE_S = 5.0


class _Worker(NamedTuple):
    process: SpawnProcess
    line: Connection


class _Word(NamedTuple):
    """What a worker says in the middle of a job."""

    message: Any


class Answer(NamedTuple):
    """What a worker sends back for a job: its result, or why there is none."""

    result: Any = None
    error: Exception | None = None


def run_jobs(
    function: Callable[..., Result],
    jobs: Sequence[Job],
    *,
    workers: int,
    on_done: Callable[[Result], None] | None = None,
    on_word: Callable[[Any], None] | None = None,
) -> list[Result]:
    """``[function(job) for job in jobs]``, computed in up to `workers` processes.

    `on_done` hears each result here, in the order in which they come; all else is `finished_jobs`.
    """
    results: dict[int, Result] = {}
    with closing(finished_jobs(function, jobs, workers=workers, on_word=on_word)) as finished:
        for number, result in finished:
            results[number] = result
            if on_done is not None:
                on_done(result)
    return [results[number] for number in range(len(jobs))]


def finished_jobs(
    function: Callable[..., Result],
    jobs: Sequence[Job],
    *,
    workers: int,
    on_word: Callable[[Any], None] | None = None,
) -> Generator[tuple[int, Result], None, None]:
    """Number and result of each job, as they come, computed in up to `workers` processes.

    `function`, jobs and results must be picklable; `function` is sent once to each worker, so data
    that all jobs share belong into a `functools.partial`. A job is looked up in `jobs` when a
    worker is free for it, and a worker gets its next one when the caller asks for more: a result
    that was dealt with is safe, whatever happens then. Where `on_word` is given, `function` is
    called with the job and with a function that makes `on_word` hear something picklable, here and
    at once. One worker, or one job, runs in this process.

    Close the generator (`contextlib.closing`): that ends the workers. What a job raises is raised
    here, and the rest is given up. Raises InvalidInput where `workers` is below 1 or a worker was
    killed. Ctrl-C ends all workers and raises KeyboardInterrupt.
    """
    check_workers(workers)
    if min(workers, len(jobs)) <= 1:
        more = () if on_word is None else (on_word,)
        for number, job in enumerate(jobs):
            yield number, function(job, *more)
        return
    with _team(min(workers, len(jobs))) as team:
        for worker in team:
            _send(worker, (function, on_word is not None))
        yield from _share_out(team, jobs, on_word or (lambda message: None))


def check_workers(workers: int) -> None:
    """Raise InvalidInput where there would be nobody to work."""
    if workers < 1:
        raise InvalidInput(f"the number of jobs at a time must be at least 1 (got {workers})")


def _share_out(
    team: Sequence[_Worker], jobs: Sequence[Any], on_word: Callable[[Any], None]
) -> Iterator[tuple[int, Any]]:
    """Give every worker a job, and the next one whenever it answers."""
    waiting = iter(enumerate(jobs))
    busy: dict[Connection, tuple[_Worker, int]] = {}

    def occupy(worker: _Worker) -> None:
        for number, job in waiting:
            busy[worker.line] = (worker, number)
            _send(worker, job)
            return

    for worker in team:
        occupy(worker)
    while busy:
        ready = wait(list(busy))
        for line in [line for line in busy if line in ready]:
            worker, number = busy[line]
            received = _receive(worker)
            if isinstance(received, _Word):
                on_word(received.message)
                continue
            del busy[line]
            yield number, received.result
            occupy(worker)


def _send(worker: _Worker, item: object) -> None:
    try:
        worker.line.send(item)
    except (BrokenPipeError, ConnectionResetError) as error:
        raise _killed(worker) from error


def _receive(worker: _Worker) -> _Word | Answer:
    try:
        received: _Word | Answer = worker.line.recv()
    except (EOFError, ConnectionResetError) as error:
        raise _killed(worker) from error
    if isinstance(received, Answer) and received.error is not None:
        raise received.error
    return received


def _killed(worker: _Worker) -> InvalidInput:
    worker.process.join(_PATIENCE_S)
    code = worker.process.exitcode
    return InvalidInput(
        f"a worker process ended before its job was done (exit code {code}); "
        "where memory ran out, fewer --jobs help"
    )


@contextmanager
def _team(size: int) -> Iterator[list[_Worker]]:
    """Workers that wait for a function and then for jobs; all gone when the block ends."""
    team: list[_Worker] = []
    try:
        # The tracker's own start would lift the block of the signal below.
        resource_tracker.ensure_running()
        for _ in range(size):
            with _ctrl_c_held_back():
                team.append(_hire())
        yield team
    finally:
        _dismiss(team)


def _hire() -> _Worker:
    spawn = multiprocessing.get_context("spawn")
    line, far_end = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(far_end,), daemon=True)
    process.start()
    far_end.close()
    return _Worker(process, line)


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Delay Ctrl-C in this thread. A process started within never sees it: the block is inherited.

    Only the parent answers to the terminal; the workers end because it ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _dismiss(team: Sequence[_Worker]) -> None:
    for worker in team:
        worker.line.close()
        worker.process.terminate()
    for worker in team:
        worker.process.join(_PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.process.close()


def _serve(line: Connection) -> None:
    """A worker's life: hear the function, then answer jobs until the parent hangs up."""
    os.environ.update(ONE_NUMERIC_THREAD)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        function, speaks = line.recv()
        more = (lambda message: line.send(_Word(message)),) if speaks else ()
        while True:
            _reply(line, answer(function, line.recv(), *more))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _end_with_parent() -> None:
    """End this process when its parent is gone, in the middle of a job too."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def answer(function: Callable[..., Any], *arguments: Any) -> Answer:
    """What a worker sends back for a job; errors are made fit to travel."""
    try:
        return Answer(result=function(*arguments))
    except Exception as error:  # noqa: BLE001  # it is raised in the parent
        return Answer(error=_portable(error))


def _reply(line: Connection, answer: Answer) -> None:
    try:
        line.send(answer)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        line.send(Answer(error=TypeError(f"a job's result must be picklable ({error})")))


def _portable(error: Exception) -> Exception:
    """The error with its traceback as a note, or a RuntimeError that stands for it."""
    story = "".join(traceback.format_exception(error)).rstrip()
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001  # whatever an error's own pickling raises
        return RuntimeError(f"a job failed:\n{story}")
    error.add_note(f"In a worker process:\n{story}")
    return error
