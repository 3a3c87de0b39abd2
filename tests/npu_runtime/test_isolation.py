"""Tests of isolated back ends, with real processes that hang, crash and lie.

Whatever they do, every call is answered, rightly, within the deadline and a little.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from npu_runtime import isolation, load
from npu_runtime.isolated_process import IsolatedProcess, reaped
from npu_runtime.isolation import IsolatedBackend
from npu_runtime.load import LoadedPolicy, open_policy
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import read_policy_file

ROOT = Path(__file__).parents[2]
FILE = read_policy_file(ROOT / "rm" / "policies" / "shipped" / "topil-hikey970.onnx")
ROWS, SCORES = FILE.metadata.parity_rows()

DEADLINE_S = 0.05
WITHIN_S = DEADLINE_S + 0.05
"""What a call may take: the deadline, the CPU's own time, and what a busy machine adds."""

READY_S = 20.0

PERIOD_S = 0.5
"""How often the governor asks."""

PATIENT_S = 5.0
"""The deadline where a test is not about being late: other programs may hold the machine."""

Open = Callable[..., IsolatedBackend]


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands."""
    return FakeClock()


@pytest.fixture
def open_backend(clock: FakeClock) -> Iterator[Open]:
    """Open a back end of `faulty_backend` by its name there; all are closed in the end."""
    opened = []

    def isolated(name: str, *, deadline_s: float = PATIENT_S) -> IsolatedBackend:
        name = f"tests.npu_runtime.faulty_backend:{name}"
        fallback = NumpyBackend(FILE)
        backend = IsolatedBackend(name, FILE, fallback=fallback, deadline_s=deadline_s, clock=clock)
        opened.append(backend)
        return backend

    yield isolated
    for backend in opened:
        backend.close()


def timed(backend: IsolatedBackend) -> float:
    """How long a call takes; its scores are checked."""
    begun = time.perf_counter()
    scores = backend.run(ROWS)
    passed_s = time.perf_counter() - begun
    np.testing.assert_allclose(scores, SCORES, atol=1e-4)
    return passed_s


def test_a_sound_back_end_answers_from_its_own_process(open_backend: Open) -> None:
    """And says so: nothing but an answer proves that it is there."""
    backend = open_backend("sound")
    assert backend.wait_until_ready(READY_S)
    timed(backend)
    assert (1, 0) == (backend.counts.answers, backend.counts.by_fallback)
    assert ("numpy", "cpu, isolated") == (backend.capabilities.name, backend.capabilities.device)
    assert backend.degraded is None


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("hang", "late", "it did not answer in time"),
        ("late", "late", "it did not answer in time"),
        ("crash", "crashed", "it ended"),
        ("quits", "crashed", "OSError: the device is gone"),
        ("nan", "wrong", "its scores must be finite"),
        ("zeros", "wrong", "its scores of a known row must be within 5% of their range"),
        ("wrong", "wrong", "its scores of a known row must be within 5% of their range"),
        ("short", "wrong", "it must score 9 rows (got 8)"),
        ("wide", "wrong", "it must give 8 scores a row (got 9)"),
    ],
)
def test_every_fault_is_answered_within_the_call_and_counted(
    open_backend: Open, name: str, kind: str, words: str
) -> None:
    """The CPU covers for it, and the reason is told; later calls do not ask it again."""
    backend = open_backend(name, deadline_s=DEADLINE_S if kind == "late" else PATIENT_S)
    assert backend.wait_until_ready(READY_S)
    assert timed(backend) < (WITHIN_S if kind == "late" else PATIENT_S)
    assert 1 == getattr(backend.counts, kind)
    assert 1 == backend.counts.late + backend.counts.crashed + backend.counts.wrong
    assert backend.degraded is not None
    assert words in backend.degraded
    assert backend.degraded.endswith("numpy on cpu answers")
    assert timed(backend) < DEADLINE_S
    assert (0, 2) == (backend.counts.answers, backend.counts.by_fallback)
    assert "cpu" == backend.capabilities.device


def test_an_old_answer_is_noticed(open_backend: Open) -> None:
    """The canaries take turns, so what was right before is wrong now."""
    backend = open_backend("stale")
    assert backend.wait_until_ready(READY_S)
    timed(backend)
    timed(backend)
    assert (1, 1) == (backend.counts.answers, backend.counts.wrong)


def test_nothing_waits_while_a_back_end_loads(open_backend: Open, clock: FakeClock) -> None:
    """Calls go to the CPU, and that is no fault, until it has taken too long."""
    begun = time.perf_counter()
    backend = open_backend("never_ready")
    assert time.perf_counter() - begun < 0.5
    assert timed(backend) < DEADLINE_S
    assert backend.degraded is None
    clock.now_s += isolation.START_S + 1.0
    assert timed(backend) < DEADLINE_S
    assert 1 == backend.counts.late
    assert "it was not ready 10 s after its start" in str(backend.degraded)


def test_a_back_end_that_finds_no_device_says_so(open_backend: Open, clock: FakeClock) -> None:
    """The message of its library comes through."""
    backend = open_backend("refuses")
    assert not backend.wait_until_ready(0.0)
    until_s = time.monotonic() + READY_S
    while backend.degraded is None and time.monotonic() < until_s:
        time.sleep(0.01)
        backend.tend()
    assert "crashed: OSError: no NPU on this machine" in str(backend.degraded)


def test_what_a_library_prints_does_not_disturb(
    open_backend: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    """Standard output is not the way to the owner, and appears among the errors."""
    backend = open_backend("chatty")
    assert backend.wait_until_ready(READY_S)
    timed(backend)
    assert 1 == backend.counts.answers
    output = capfd.readouterr()
    assert "" == output.out
    assert "vendor library, version 1" in output.err


def failed_once(open_backend: Open, name: str = "nan") -> IsolatedBackend:
    """A back end right after its first failure."""
    backend = open_backend(name)
    assert backend.wait_until_ready(READY_S)
    timed(backend)
    assert backend.degraded is not None
    return backend


def test_it_is_started_again_after_half_a_second(open_backend: Open, clock: FakeClock) -> None:
    """Not before; and it is ready some calls later, without any of them waiting."""
    backend = failed_once(open_backend)
    clock.now_s += 0.49
    backend.tend()
    assert 0 == backend.counts.restarts
    clock.now_s += 0.01
    assert timed(backend) < DEADLINE_S
    assert 1 == backend.counts.restarts
    assert backend.wait_until_ready(READY_S)
    assert backend.degraded is None


def test_pauses_double_up_to_a_minute(open_backend: Open, clock: FakeClock) -> None:
    """A back end that never comes back costs a start a minute."""
    backend = failed_once(open_backend, "crash")
    pauses = []
    for _ in range(9):
        before_s = clock.now_s
        while backend.counts.restarts != len(pauses) + 1:
            clock.now_s += 0.25
            backend.tend()
        pauses.append(clock.now_s - before_s)
        assert backend.wait_until_ready(READY_S)
        timed(backend)
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] == pauses


def test_who_was_well_for_a_minute_starts_with_the_first_pause(
    open_backend: Open, clock: FakeClock
) -> None:
    """Its failures do not belong together."""
    backend = failed_once(open_backend, "crash")
    for _ in range(2):
        clock.now_s += 1.0
        backend.tend()
        assert backend.wait_until_ready(READY_S)
        clock.now_s += isolation.WELL_AFTER_S
        timed(backend)
    assert 2 == backend.counts.restarts
    clock.now_s += 0.5
    backend.tend()
    assert 3 == backend.counts.restarts


def test_a_hung_process_is_killed_and_leaves_no_zombie(
    open_backend: Open, clock: FakeClock
) -> None:
    """It ignores all signals but the last."""
    backend = open_backend("hang", deadline_s=DEADLINE_S)
    assert backend.wait_until_ready(READY_S)
    process = backend._process
    assert process is not None
    timed(backend)
    until_s = time.monotonic() + READY_S
    while backend._bury() and time.monotonic() < until_s:
        time.sleep(0.001)
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_killed_process_is_noticed_by_the_next_call(open_backend: Open) -> None:
    """The kernel's memory killer, say, between two calls."""
    backend = open_backend("sound")
    assert backend.wait_until_ready(READY_S)
    assert backend._process is not None
    os.kill(backend._process.pid, signal.SIGKILL)
    time.sleep(0.05)
    assert timed(backend) < DEADLINE_S
    assert 1 == backend.counts.crashed


def test_a_stopped_process_is_late(open_backend: Open) -> None:
    """SIGSTOP, or a machine that has no time for it."""
    backend = open_backend("sound", deadline_s=DEADLINE_S)
    assert backend.wait_until_ready(READY_S)
    assert backend._process is not None
    os.kill(backend._process.pid, signal.SIGSTOP)
    assert timed(backend) < WITHIN_S
    assert 1 == backend.counts.late


def test_a_process_that_cannot_be_started_is_tried_again(
    open_backend: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fork storm leaves no process to be had, for a while."""

    def refuse(*args: object, **options: object) -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_spawn", refuse)
        backend = open_backend("sound")
        timed(backend)
        assert "it cannot be started: [Errno 11]" in str(backend.degraded)
        clock.now_s += 0.5
        timed(backend)
        assert (2, 1) == (backend.counts.crashed, backend.counts.restarts)
    clock.now_s += 1.0
    backend.tend()
    assert backend.wait_until_ready(READY_S)


def test_processes_that_do_not_die_are_not_joined_by_more(
    open_backend: Open, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver holds them in the kernel: eight are enough."""
    backend = failed_once(open_backend, "crash")
    with monkeypatch.context() as patched:
        patched.setattr(isolation, "reaped", lambda pid: False)
        backend._undead = list(range(2_000_000, 2_000_008))
        clock.now_s += 100.0
        backend.tend()
        assert 0 == backend.counts.restarts
    backend._undead = []
    backend.tend()
    assert 1 == backend.counts.restarts


def test_batches_of_any_size_are_answered(open_backend: Open) -> None:
    """More rows than a packet holds go in several, within the same deadline."""
    backend = open_backend("sound")
    assert backend.wait_until_ready(READY_S)
    for count in (1, 2, backend._most_rows, backend._most_rows + 1, 2000):
        rows = np.resize(ROWS, (count, ROWS.shape[1])).astype(np.float32)
        expected = backend.fallback.run(rows)
        np.testing.assert_allclose(backend.run(rows), expected, atol=1e-4)
    assert (5, 0) == (backend.counts.answers, backend.counts.by_fallback)


def test_scores_belong_to_the_caller(open_backend: Open) -> None:
    """The next answer does not change them, and they may be changed."""
    backend = open_backend("sound")
    assert backend.wait_until_ready(READY_S)
    first = backend.run(ROWS)
    kept = first.copy()
    backend.run(ROWS[::-1].copy())
    np.testing.assert_array_equal(kept, first)
    first[0, 0] = 1.0


def test_threads_of_the_owner_do_not_matter(open_backend: Open) -> None:
    """No copy of this process is made, so no lock of another thread is copied locked."""
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        backend = open_backend("sound")
        assert backend.wait_until_ready(READY_S)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_nothing_of_the_owner_is_open_in_the_process(open_backend: Open, tmp_path: Path) -> None:
    """Neither the journal nor a client's socket: its socket, errors, and nothing else."""
    with (tmp_path / "journal").open("w"):
        backend = open_backend("sound")
        assert backend.wait_until_ready(READY_S)
        assert backend._process is not None
        folder = Path(f"/proc/{backend._process.pid}/fd")
        assert {"0", "1", "2"} == {
            link.name for link in folder.iterdir() if link.readlink() != Path("/dev/null")
        }


def test_the_process_ends_with_its_owner(tmp_path: Path) -> None:
    """Even in the middle of a call that hangs, and even if the owner is killed."""
    code = (
        "import sys, time, numpy as np\n"
        "from npu_runtime.load import open_policy\n"
        "from npu_runtime.policy_file import read_policy_file\n"
        "file = read_policy_file(sys.argv[1])\n"
        "policy = open_policy(file, backend='tests.npu_runtime.faulty_backend:hang',"
        " deadline_s=3600.0)\n"
        "assert policy.backend.wait_until_ready(20.0)\n"
        "print(policy.backend._process.pid, flush=True)\n"
        "policy.run(file.metadata.parity_rows()[0])"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, str(FILE.path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        time.sleep(0.2)
        owner.kill()
    until_s = time.monotonic() + READY_S
    while is_running(pid) and time.monotonic() < until_s:
        time.sleep(0.01)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie that its new parent has yet to see."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_closing_takes_no_time_and_leaves_nothing(open_backend: Open) -> None:
    """The daemon has 200 ms to restore everything."""
    backend = open_backend("hang")
    assert backend.wait_until_ready(READY_S)
    begun = time.perf_counter()
    backend.close()
    assert time.perf_counter() - begun < 0.1
    assert backend._process is None


def test_who_is_gone_or_was_never_ours_counts_as_reaped() -> None:
    """Somebody else may have waited for it."""
    assert reaped(os.getpid())


# --- the way through `load_policy` -----------------------------------------------------------


def test_a_policy_opens_isolated_by_a_prefix() -> None:
    """Any back end by name, with numpy to cover for it, and the reason told."""
    policy = open_policy(FILE, backend="isolated:onnxruntime", deadline_s=2.0)
    backend = policy.backend
    assert isinstance(backend, IsolatedBackend)
    assert backend.wait_until_ready(READY_S)
    np.testing.assert_allclose(policy.run(ROWS), SCORES, atol=1e-4)
    assert 1 == backend.counts.answers
    assert ("onnxruntime", "cpu, isolated") == (
        policy.capabilities.name,
        policy.capabilities.device,
    )
    assert "in a process of its own; numpy on cpu covers for it" in policy.why
    policy.close()


def test_other_peoples_code_is_isolated_without_the_prefix() -> None:
    """The daemon never imports it."""
    policy = open_policy(FILE, backend="tests.npu_runtime.faulty_backend:sound")
    assert isinstance(policy.backend, IsolatedBackend)
    policy.close()


def test_a_loaded_policy_never_sees_a_fault() -> None:
    """What the governor calls: rows in, finite scores out, whatever the back end does."""
    for name in ("hang", "crash", "nan", "zeros", "late", "wrong"):
        policy = open_policy(FILE, backend=f"tests.npu_runtime.faulty_backend:{name}")
        assert isinstance(policy.backend, IsolatedBackend)
        assert policy.backend.wait_until_ready(READY_S)
        for _ in range(3):
            np.testing.assert_allclose(policy.run(ROWS), SCORES, atol=1e-4)
        policy.close()


def test_a_network_that_numpy_cannot_run_is_covered_by_onnxruntime(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other people's policies may have other operators."""

    def refuses(file: object) -> None:
        raise load.DamagedPolicyFile("policy.onnx: no chain")

    backends = {**load.BACKENDS, "numpy": refuses}
    monkeypatch.setattr(load, "BACKENDS", backends)
    policy = open_policy(FILE, backend="tests.npu_runtime.faulty_backend:sound")
    assert isinstance(policy.backend, IsolatedBackend)
    assert "onnxruntime" == policy.backend.fallback.capabilities.name
    policy.close()


def test_a_process_says_nothing_before_it_is_ready() -> None:
    """Asked without patience, it is not there yet."""
    process = IsolatedProcess("numpy", FILE)
    assert process.hello() is None
    able = process.hello(within_s=READY_S)
    assert able is not None
    assert "numpy" == able.name
    process.kill()
    while not reaped(process.pid):
        time.sleep(0.001)


def test_a_loop_in_real_time_misses_no_deadline() -> None:
    """Migration periods with a back end that hangs again and again: each call fits into its own."""
    backend = IsolatedBackend(
        "tests.npu_runtime.faulty_backend:hang", FILE, fallback=NumpyBackend(FILE)
    )
    policy = LoadedPolicy(FILE, backend)
    assert backend.wait_until_ready(READY_S)
    longest_s, start_s = 0.0, time.monotonic()
    for number in range(8):
        time.sleep(max(0.0, start_s + PERIOD_S * number - time.monotonic()))
        begun = time.perf_counter()
        policy.run(ROWS)
        longest_s = max(longest_s, time.perf_counter() - begun)
    policy.close()
    assert longest_s < PERIOD_S
    assert backend.counts.late >= 2
