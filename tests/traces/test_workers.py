"""Tests of the worker processes: order, errors, death, Ctrl-C."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from traces.numeric_threads import ONE_NUMERIC_THREAD
from traces.workers import run_jobs


class Talkative(Exception):
    """An error that cannot be unpickled: its constructor asks for two arguments."""

    def __init__(self, what: str, why: str) -> None:
        """Make it from two arguments, and hand on one."""
        super().__init__(f"{what}: {why}")


def late_square(number: int) -> int:
    """The square; small numbers take longest."""
    time.sleep(0.05 * (3 - number))
    return number * number


def add(offset: int, number: int) -> int:
    """A function with data that all jobs share."""
    return offset + number


def count_aloud(number: int, say: Callable[[tuple[int, int]], None] = lambda word: None) -> str:
    """Say each step, and the result last."""
    for step in range(number):
        say((number, step))
    return f"{number} counted"


def process_and_threads(_: int) -> tuple[int, dict[str, str | None]]:
    """Who computes, and how many threads numerical libraries may use."""
    return os.getpid(), {name: os.environ.get(name) for name in ONE_NUMERIC_THREAD}


def refuse(number: int) -> int:
    """Complain as commands do."""
    raise InvalidInput(f"job must be even (got {number})")


def divide(number: int) -> float:
    """Fail with a bug's error."""
    return 1 / (number - number)


def fail_strangely(_: int) -> None:
    """Raise what cannot be sent as it is."""
    raise Talkative("odd", "because")


def answer_strangely(_: int) -> object:
    """Return what cannot be sent."""
    return lambda: None


def die(_: int) -> None:
    """End as the kernel ends a process when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    """Files must not depend on which worker is quickest."""
    assert [0, 1, 4, 9] == run_jobs(late_square, [0, 1, 2, 3], workers=workers)


def test_shared_data_come_with_the_function() -> None:
    """A board is sent once to each worker, not with each job."""
    assert [11, 12, 13] == run_jobs(partial(add, 10), [1, 2, 3], workers=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_says_on_the_way_is_heard_before_its_result(workers: int) -> None:
    """A training takes minutes, and tells of every epoch."""
    heard: list[object] = []
    results = run_jobs(
        count_aloud, [3, 1, 2], workers=workers, on_word=heard.append, on_done=heard.append
    )
    assert ["3 counted", "1 counted", "2 counted"] == results
    for number in (1, 2, 3):
        own = [(number, step) for step in range(number)]
        assert own == [word for word in heard if isinstance(word, tuple) and word[0] == number]
        assert heard.index(own[-1]) < heard.index(f"{number} counted")


def test_a_job_that_nobody_listens_to_need_not_speak() -> None:
    """The same function serves both; it is then called with the job alone."""
    assert ["1 counted", "2 counted"] == run_jobs(count_aloud, [1, 2], workers=2)


def test_no_jobs_give_no_results() -> None:
    """A resumed run may find everything done."""
    assert [] == run_jobs(late_square, [], workers=4)


def test_one_worker_runs_in_this_process() -> None:
    """A debugger or a profiler sees the job."""
    results = run_jobs(process_and_threads, [0, 1], workers=1)
    assert {os.getpid()} == {process for process, _ in results}


def test_workers_are_processes_with_one_numeric_thread_each() -> None:
    """Otherwise two workers on two cores would run four threads."""
    results = run_jobs(process_and_threads, [0, 1, 2], workers=2)
    assert os.getpid() not in {process for process, _ in results}
    assert all(threads == ONE_NUMERIC_THREAD for _, threads in results)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_result_is_heard_once(workers: int) -> None:
    """Progress bars count on it."""
    heard: list[int] = []
    run_jobs(late_square, [0, 1, 2, 3], workers=workers, on_done=heard.append)
    assert [0, 1, 4, 9] == sorted(heard)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_users_mistake_arrives_as_such(workers: int) -> None:
    """The command line prints its message as it is."""
    with pytest.raises(InvalidInput) as caught:
        run_jobs(refuse, [1, 1], workers=workers)
    assert "job must be even (got 1)" == str(caught.value)


def test_a_bug_in_a_job_keeps_its_type_and_its_traceback() -> None:
    """Without the worker's own lines nobody finds the bug."""
    with pytest.raises(ZeroDivisionError) as caught:
        run_jobs(divide, [1, 2], workers=2)
    assert "in divide" in "".join(caught.value.__notes__)


def test_an_error_that_cannot_travel_is_told() -> None:
    """The parent must not fail at unpickling instead."""
    with pytest.raises(RuntimeError, match="Talkative: odd: because"):
        run_jobs(fail_strangely, [1, 2], workers=2)


def test_a_result_that_cannot_travel_is_told() -> None:
    """The worker must not die of it in silence."""
    with pytest.raises(TypeError, match="a job's result must be picklable"):
        run_jobs(answer_strangely, [1, 2], workers=2)


def test_a_killed_worker_ends_the_run_with_advice() -> None:
    """Waiting forever for a dead worker is the usual fault of pools."""
    with pytest.raises(InvalidInput, match=r"exit code -9\); where memory ran out, fewer --jobs"):
        run_jobs(die, [1, 2, 3], workers=2)


def test_fewer_than_one_worker_is_refused() -> None:
    """The message says what came."""
    with pytest.raises(InvalidInput, match=r"must be at least 1 \(got 0\)"):
        run_jobs(late_square, [1], workers=0)


Start = Callable[[int], subprocess.Popen[str]]

SLOW_SCRIPT = """
    import sys, time
    from pathlib import Path
    sys.path[:0] = {path!r}
    from traces.workers import run_jobs

    def nap(number):
        Path({folder!r}, str(number)).write_text(str(__import__("os").getpid()))
        time.sleep(60)

    if __name__ == "__main__":
        try:
            run_jobs(nap, [1, 2, 3], workers={workers})
        except KeyboardInterrupt:
            sys.exit(130)
"""


@pytest.fixture
def slow_script(tmp_path: Path) -> Iterator[Start]:
    """Start a script whose jobs sleep, as the leader of a process group like one of a terminal."""
    started: list[subprocess.Popen[str]] = []

    def start(workers: int) -> subprocess.Popen[str]:
        script = tmp_path / "script.py"
        text = textwrap.dedent(SLOW_SCRIPT)
        script.write_text(text.format(path=sys.path, folder=str(tmp_path), workers=workers))
        process = subprocess.Popen(
            [sys.executable, str(script)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def wait_for(condition: partial[bool], what: str) -> None:
    """Return when the condition holds; fail after 30 s."""
    end_s = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end_s, f"waited in vain for {what}"
        time.sleep(0.02)


def written(folder: Path, count: int) -> bool:
    """Whether that many jobs have begun."""
    return (
        sum(path.name.isdigit() and path.stat().st_size > 0 for path in folder.iterdir()) >= count
    )


def is_gone(process: int) -> bool:
    """Whether a process has ended, collected by its parent or not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_all_workers_at_once_and_quietly(
    tmp_path: Path, slow_script: Start, workers: int
) -> None:
    """The terminal sends the signal to the whole group; only the parent may answer."""
    script = slow_script(workers)
    wait_for(partial(written, tmp_path, workers), "the jobs to begin")
    sent_s = time.monotonic()
    os.killpg(script.pid, signal.SIGINT)
    _, errors = script.communicate(timeout=30)
    assert (130, "") == (script.returncode, errors)
    assert time.monotonic() - sent_s < 10
    for number in range(1, workers + 1):
        assert is_gone(int((tmp_path / str(number)).read_text()))


def test_ctrl_c_while_workers_start_is_quiet_too(slow_script: Start) -> None:
    """Importing takes a while, and this is when users notice a wrong argument."""
    script = slow_script(2)
    children = Path(f"/proc/{script.pid}/task/{script.pid}/children")
    wait_for(partial(has_words, children, 2), "a worker to be started")
    os.killpg(script.pid, signal.SIGINT)
    _, errors = script.communicate(timeout=30)
    assert (130, "") == (script.returncode, errors)


def has_words(path: Path, count: int) -> bool:
    """Whether a file has at least that many words."""
    return len(path.read_text().split()) >= count


def test_workers_end_when_their_parent_is_killed(tmp_path: Path, slow_script: Start) -> None:
    """A parent that the kernel or a user kills must not leave its workers computing."""
    script = slow_script(2)
    wait_for(partial(written, tmp_path, 2), "the jobs to begin")
    workers = [int((tmp_path / name).read_text()) for name in ("1", "2")]
    script.kill()
    script.communicate(timeout=30)
    for worker in workers:
        wait_for(partial(is_gone, worker), "the worker to end")
