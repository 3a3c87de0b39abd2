"""Tests of hearing a run out: what it says last counts, whatever Flower says meanwhile."""

import signal
from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from training.federated.engine.deployment import run
from training.federated.engine.deployment.processes import DeploymentFailed
from training.federated.engine.progress import Event, Progress

OVER = '{"runs": [{"status": "finished:completed", "status-details": ""}]}'


def heard(path: Path) -> list[Event]:
    """All that was told until the end."""
    events: list[Event] = []
    run.follow("1", path, events.append, {}, [])
    return events


def test_a_run_that_ends_while_flower_is_asked_has_ended_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Rounds of more than half a minute have Flower asked all the time."""
    path = tmp_path / "progress.jsonl"

    def asked(*_: object, **__: object) -> str:
        Progress(path).done()
        return OVER

    monkeypatch.setattr(run, "_ASK_AFTER_S", 0.0)
    monkeypatch.setattr(run, "done", asked)
    assert 1 == len(heard(path))


@pytest.mark.parametrize(
    ("said", "reason"), [(OVER, "Flower ended the run: finished"), ("no", "must say JSON")]
)
def test_a_run_that_ended_without_a_word_has_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: str, reason: str
) -> None:
    """And so has one of which nobody knows anything."""
    monkeypatch.setattr(run, "_ASK_AFTER_S", 0.0)
    monkeypatch.setattr(run, "done", lambda *_, **__: said)
    with pytest.raises(DeploymentFailed, match=reason):
        heard(tmp_path / "progress.jsonl")


def test_a_mistake_of_the_users_is_told_as_one(tmp_path: Path) -> None:
    """With the exit code of mistakes, and no trace."""
    path = tmp_path / "progress.jsonl"
    Progress(path).failed("task must be one of digits", "", mistake=True)
    with pytest.raises(InvalidInput, match=r"^task must be one of digits$"):
        heard(path)
    Progress(path).failed("ZeroDivisionError: division by zero", "Traceback", mistake=False)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    with pytest.raises(DeploymentFailed, match="the run ended with ZeroDivisionError"):
        heard(path)


def test_a_command_that_is_asked_to_end_stops_the_run_as_ctrl_c_does() -> None:
    """A SuperLink elsewhere would go on with it; the handler of before is back."""
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), run.sigterm_as_ctrl_c():
        signal.raise_signal(signal.SIGTERM)
    assert before is signal.getsignal(signal.SIGTERM)
