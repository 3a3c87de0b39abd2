"""Tests of the whole way: a policy opened on `hiai`, the vendor's faults, and who answers then.

Two processes are between the governor and the vendor's code: the one that isolates any back end,
and the server's, which runs on the other side of a socket.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from npu_runtime.isolation import DEADLINE_S, IsolatedBackend
from npu_runtime.load import PARITY_TOLERANCE, LoadedPolicy, open_policy
from npu_runtime.policy_file import PolicyFile
from tests.npu_runtime.hiai.stub_npu import PATIENCE_S, StubNpu

WITHIN_S = DEADLINE_S + 0.05
"""What a call may take: the deadline, the CPU's own time, and what a busy machine adds."""

PERIOD_S = 0.5
"""How often the governor asks."""

PATIENT_S = 5.0
"""The deadline where a test is not about being late: other programs may hold the machine."""


class FakeClock:
    """Seconds that pass when a test says so."""

    now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands."""
    return FakeClock()


Open = Callable[..., tuple[LoadedPolicy, IsolatedBackend]]


@pytest.fixture
def opened(file: PolicyFile, clock: FakeClock) -> Iterator[Open]:
    """Open the policy as the daemon does; ready unless a test says otherwise."""
    policies = []

    def opens(
        *, deadline_s: float = PATIENT_S, ready: bool = True
    ) -> tuple[LoadedPolicy, IsolatedBackend]:
        policy = open_policy(file, backend="hiai", deadline_s=deadline_s, clock=clock)
        policies.append(policy)
        assert isinstance(policy.backend, IsolatedBackend)
        if ready:
            assert policy.backend.wait_until_ready(PATIENCE_S), policy.backend.degraded
        return policy, policy.backend

    yield opens
    for policy in policies:
        policy.close()


def timed(policy: LoadedPolicy) -> float:
    """How long a call takes; its scores are checked."""
    rows, expected = policy.metadata.parity_rows()
    begun = time.perf_counter()
    scores = policy.run(rows)
    passed_s = time.perf_counter() - begun
    tolerance = PARITY_TOLERANCE["float16"] * np.ptp(expected)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance)
    return passed_s


def failing(backend: IsolatedBackend) -> str:
    """Why it is degraded, once it is."""
    until_s = time.monotonic() + PATIENCE_S
    while backend.degraded is None and time.monotonic() < until_s:
        time.sleep(0.002)
        backend.tend()
    return str(backend.degraded)


def test_the_npu_answers_and_the_daemon_says_so(npu: StubNpu, opened: Open) -> None:
    """With the version that the library reports."""
    policy, backend = opened()
    for _ in range(4):
        timed(policy)
    assert (4, 0) == (backend.counts.answers, backend.counts.by_fallback)
    able = policy.capabilities
    assert ("hiai", "npu (HiAI 100.150.010.010), isolated") == (able.name, able.device)
    assert "in a process of its own; numpy on cpu covers for it" in policy.why


@pytest.mark.parametrize(
    ("mode", "kind", "words"),
    [
        ("slow", "late", "it did not answer in time"),
        ("hangs", "late", "it did not answer in time"),
        ("run-fails", "crashed", "HIAI_ModelManager_runModel must not fail (got -5)"),
        ("crashes", "crashed", "the vendor's library ended its process by signal 11"),
        ("zeros", "wrong", "its scores of a known row must be within 5% of their range"),
        ("nan", "wrong", "its scores of a known row must be within 5% of their range"),
        ("positive-error", "wrong", "its scores of a known row must be within 5% of their range"),
    ],
)
def test_every_fault_of_the_library_is_answered_by_the_cpu_within_the_call(
    npu: StubNpu, opened: Open, mode: str, kind: str, words: str
) -> None:
    """It is counted and told, later calls do not ask again, and the server serves the next."""
    npu.restart(mode)
    policy, backend = opened(deadline_s=DEADLINE_S if kind == "late" else PATIENT_S)
    assert timed(policy) < (WITHIN_S if kind == "late" else PATIENT_S)
    assert 1 == getattr(backend.counts, kind)
    assert words in str(backend.degraded)
    assert timed(policy) < DEADLINE_S
    assert (0, 2) == (backend.counts.answers, backend.counts.by_fallback)
    assert "cpu" == policy.capabilities.device


def test_a_hung_call_ends_with_its_client_and_the_npu_is_used_again(
    npu: StubNpu, opened: Open, clock: FakeClock
) -> None:
    """Nothing in a synchronous call of the library ends it; the server kills who outlives it."""
    npu.restart("hangs")
    policy, backend = opened(deadline_s=DEADLINE_S)
    timed(policy)
    assert 1 == backend.counts.late
    npu.wait_for("killed the process whose client is gone")
    clock.now_s += 0.5
    backend.tend()
    assert backend.wait_until_ready(PATIENCE_S)
    assert (1, None) == (backend.counts.restarts, backend.degraded)


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("version-zeros", "HIAI_GetVersion must not give 000.000.000.000: there is no NPU"),
        ("load-fails", "HIAI_ModelManager_loadFromModelBuffers must not fail (got -1)"),
        ("load-crashes", "ended its process by signal 11"),
    ],
)
def test_a_library_that_loads_nothing_is_told_and_the_cpu_answers(
    npu: StubNpu, opened: Open, mode: str, words: str
) -> None:
    """The governor starts all the same."""
    npu.restart(mode)
    policy, backend = opened(ready=False)
    assert timed(policy) < DEADLINE_S
    assert words in failing(backend)
    assert timed(policy) < DEADLINE_S


def test_a_load_that_hangs_holds_nobody(npu: StubNpu, opened: Open, clock: FakeClock) -> None:
    """Neither the governor, nor, once it has been given up, the server."""
    npu.restart("load-hangs")
    policy, backend = opened(ready=False)
    npu.wait_for("listens at", 2)
    assert timed(policy) < DEADLINE_S
    clock.now_s += 11.0
    timed(policy)
    assert "it was not ready 10 s after its start" in str(backend.degraded)


def test_a_server_that_ends_is_noticed_and_found_again_when_it_is_back(
    npu: StubNpu, opened: Open, clock: FakeClock
) -> None:
    """As after an update of it, or of Android's side as a whole."""
    policy, backend = opened()
    timed(policy)
    assert 0 == npu.stop()
    assert timed(policy) < PATIENT_S
    assert (1, 1) == (backend.counts.answers, backend.counts.crashed)
    assert "the HiAI server at" in str(backend.degraded)
    npu.start()
    clock.now_s += 0.5
    backend.tend()
    assert backend.wait_until_ready(PATIENCE_S)
    timed(policy)
    assert 2 == backend.counts.answers


def test_without_a_server_the_cpu_answers_and_the_way_out_is_told(
    npu: StubNpu, opened: Open
) -> None:
    """A board whose Android side is not there, or not yet."""
    npu.stop()
    policy, backend = opened(ready=False)
    assert timed(policy) < DEADLINE_S
    assert "the back end hiai needs its server at" in failing(backend)
    assert "npu_runtime/hiai/README.md" in str(backend.degraded)


def test_an_artifact_of_another_policy_is_refused_and_the_cpu_answers(
    npu: StubNpu, opened: Open, file: PolicyFile
) -> None:
    """It would answer with the scores of the other."""
    sidecar = file.path.with_name("topil-hikey970.kirin970.json")
    sidecar.write_text(sidecar.read_text().replace('"onnx_sha256": "', '"onnx_sha256": "0'))
    policy, backend = opened(ready=False)
    assert timed(policy) < DEADLINE_S
    assert "StaleArtifact" in failing(backend)


def test_migration_periods_in_real_time_miss_none_with_a_library_that_hangs(
    npu: StubNpu, file: PolicyFile
) -> None:
    """Each call fits into its period, again and again, while the NPU comes back and hangs."""
    npu.restart("hangs")
    policy = open_policy(file, backend="hiai")
    backend = policy.backend
    assert isinstance(backend, IsolatedBackend)
    assert backend.wait_until_ready(PATIENCE_S)
    longest_s, start_s = 0.0, time.monotonic()
    for number in range(8):
        time.sleep(max(0.0, start_s + PERIOD_S * number - time.monotonic()))
        longest_s = max(longest_s, timed(policy))
    policy.close()
    assert longest_s < PERIOD_S
    assert backend.counts.late >= 2
