"""Tests of `auto` with an accelerator: it answers once it has proved itself, the CPU until then.

The accelerators are those of `faulty_backend`, in real processes; which one is found is told.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from npu_runtime import load
from npu_runtime.accelerators import Accelerator
from npu_runtime.load import LoadedPolicy, open_policy
from npu_runtime.policy_file import read_policy_file
from npu_runtime.trial import CALLS, BackendOnTrial

ROOT = Path(__file__).parents[2]
FILE = read_policy_file(ROOT / "rm" / "policies" / "shipped" / "ilgov-hikey970.onnx")
ROWS, SCORES = FILE.metadata.parity_rows()
READY_S = 20.0
PATIENT_S = 5.0

Open = Callable[..., LoadedPolicy]


@pytest.fixture
def open_auto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a policy by ``auto`` on a machine with this accelerator; all are closed in the end."""
    opened = []

    def automatic(fault: str, *, deadline_s: float = PATIENT_S) -> LoadedPolicy:
        name = f"tests.npu_runtime.faulty_backend:{fault}"
        found = Accelerator(name=name, found="a board's part")
        monkeypatch.setattr(load, "accelerators", lambda file: (found,))
        policy = open_policy(FILE, deadline_s=deadline_s)
        opened.append(policy)
        return policy

    yield automatic
    for policy in opened:
        policy.close()


def on_trial(policy: LoadedPolicy) -> BackendOnTrial:
    """Its back end."""
    assert isinstance(policy.backend, BackendOnTrial)
    return policy.backend


def tended_until(policy: LoadedPolicy, condition: Callable[[BackendOnTrial], object]) -> None:
    """Tend it as the daemon does, every call right, until the condition holds."""
    until_s = time.monotonic() + READY_S
    while not condition(on_trial(policy)):
        assert time.monotonic() < until_s, policy.why
        on_trial(policy).tend()
        np.testing.assert_allclose(policy.run(ROWS), SCORES, atol=1e-3)
        time.sleep(0.005)


def test_a_sound_accelerator_is_taken_when_it_is_ready(open_auto: Open) -> None:
    """Opening waits for nothing; what was found and measured is told."""
    begun_s = time.perf_counter()
    policy = open_auto("sound")
    assert time.perf_counter() - begun_s < 0.5
    assert "cpu" == policy.capabilities.device
    assert policy.why.endswith("a board's part; on trial, numpy on cpu answers")
    tended_until(policy, lambda backend: backend.ready)
    assert "cpu, isolated" == policy.capabilities.device
    assert "a board's part; its scores are within" in policy.why
    assert "ms for" in policy.why
    assert on_trial(policy).counts.answers >= CALLS


def test_until_it_has_proved_itself_the_cpu_answers(open_auto: Open) -> None:
    """Its process may be ready long before."""
    policy = open_auto("sound")
    backend = on_trial(policy)
    tended_until(policy, lambda _: backend.counts.answers == CALLS - 1)
    assert not backend.ready
    assert "on trial" in policy.why


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("slightly_off", "must be within 0.0001 of their range (got 0.01"),
        ("slow", "a call must take at most 25 ms (got"),
    ],
)
def test_one_that_is_not_good_enough_is_let_go_of_for_good(
    open_auto: Open, fault: str, words: str
) -> None:
    """That is no fault of the machine's: the CPU is what ``auto`` chose."""
    policy = open_auto(fault, deadline_s=0.05 if fault == "slow" else PATIENT_S)
    tended_until(policy, lambda _: "not used: " in policy.why)
    assert words in policy.why
    backend = on_trial(policy)
    assert (None, None, False) == (backend.degraded, backend.pid, backend.ready)
    backend.tend()
    assert 0 == backend.counts.restarts


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("hang", "late"), ("crash", "crashed"), ("nan", "wrong"), ("zeros", "wrong")],
)
def test_one_that_fails_on_trial_is_covered_and_tried_again(
    open_auto: Open, fault: str, kind: str
) -> None:
    """It may be well after a restart; until then the state is `degraded`, with the reason."""
    policy = open_auto(fault, deadline_s=0.05 if kind == "late" else PATIENT_S)
    backend = on_trial(policy)
    tended_until(policy, lambda _: getattr(backend.counts, kind))
    assert kind in str(backend.degraded)
    tended_until(policy, lambda _: backend.counts.restarts)
    assert not backend.ready


def test_after_a_restart_it_has_to_prove_itself_again(open_auto: Open) -> None:
    """Another process may do otherwise."""
    policy = open_auto("sound")
    backend = on_trial(policy)
    tended_until(policy, lambda _: backend.ready)
    assert backend._process is not None
    backend._process.kill()
    tended_until(policy, lambda _: not backend.ready)
    assert "on trial" in policy.why
    tended_until(policy, lambda _: backend.ready)


def test_where_nobody_tends_it_the_calls_themselves_are_the_trial(open_auto: Open) -> None:
    """An evaluation has no periods."""
    policy = open_auto("sound")
    assert on_trial(policy).wait_until_ready(READY_S)
    policy.run(ROWS)
    assert on_trial(policy).counts.answers > CALLS


def test_one_that_lacks_something_is_told_of_and_not_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that an owner sees how near the NPU is."""
    found = Accelerator(name="rknn", found="rknnlite", lacks="ilgov.rk3588.json")
    monkeypatch.setattr(load, "accelerators", lambda file: (found,))
    policy = open_policy(FILE)
    assert "numpy" == policy.capabilities.name
    assert policy.why.endswith("; rknn (rknnlite) lacks ilgov.rk3588.json")
