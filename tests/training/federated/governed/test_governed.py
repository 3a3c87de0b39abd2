"""A PyTorch loop under grants."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from torch.nn.functional import cross_entropy

from platforms.errors import InvalidInput
from rm.training_client import Outlook
from tests.training.federated.governed.fake_trainer import CAPABILITY, FakeTrainer, Pause, grant
from training.federated.governed import CannotMeet, Governed, read_capability

GENERATOR = torch.Generator().manual_seed(3)
X = torch.randn(40, 4, generator=GENERATOR)
Y = (X[:, 0] > 0).long()


class Loop:
    """A small network and its loop; `seen` are the rows of each step."""

    def __init__(self, folder: Path, **options: object) -> None:
        torch.manual_seed(0)
        self.model = torch.nn.Linear(4, 2)
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.events = folder / "events.jsonl"
        self.job = Governed(
            msgspec.to_builtins(CAPABILITY),
            self.model,
            self.optimiser,
            checkpoint=folder / "kept.pt",
            events=self.events,
            **options,  # type: ignore[arg-type]
        )
        self.seen: list[list[int]] = []
        self.rates: list[float] = []
        self.threads: list[int] = []

    def round(self, samples: float, after_step: Callable[[int], None] = lambda step: None) -> None:
        """Train one round; `after_step` is told how many steps this loop has made."""
        for rows in self.job.batches(len(X), samples=samples, deadline_s=60.0):
            self.seen.append(rows.tolist())
            self.rates.append(self.optimiser.param_groups[0]["lr"])
            self.threads.append(torch.get_num_threads())
            self.optimiser.zero_grad()
            loss = cross_entropy(self.model(X[rows]), Y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            self.job.step(loss.item())
            after_step(len(self.seen))

    def told(self, event: str) -> list[dict[str, object]]:
        """The events of a kind."""
        lines = map(json.loads, self.events.read_text().splitlines())
        return [line for line in lines if line["event"] == event]


def test_batch_threads_and_learning_rate_follow_the_grant(tmp_path: Path) -> None:
    """The rate by the square root of the batch, as the curve of samples was counted."""
    FakeTrainer.script = [grant(0, (0, 1)), grant(1, (4,), 2)]
    loop = Loop(tmp_path)
    with loop.job:
        loop.round(24.0)
    assert [8, 16, 16] == [len(rows) for rows in loop.seen]
    assert [2, 1, 1] == loop.threads
    assert [0.1, pytest.approx(0.1 * 2**0.5)] == loop.rates[:2]
    assert [(0, 8), (1, 16), (1, 16)] == [told[:2] for told in FakeTrainer.made[0].reported]


def test_a_round_is_over_when_its_reference_samples_are_done(tmp_path: Path) -> None:
    """The curve says that twice the batch takes twice the samples, and so does half the depth."""
    for setting, steps in ((0, 4), (1, 4), (2, 8)):
        FakeTrainer.script = [grant(setting)]
        loop = Loop(tmp_path / str(setting))
        with loop.job:
            loop.round(32.0)
        assert steps == len(loop.seen)
        assert (1.0, 1) == (loop.job.last_share, loop.job.round)


def test_rows_come_once_each_whatever_the_batch(tmp_path: Path) -> None:
    """All examples before any comes again, while the batch changes."""
    FakeTrainer.script = [grant(0), grant(1), grant(0), grant(1)]
    loop = Loop(tmp_path)
    with loop.job:
        loop.round(20.0)
    drawn = [row for rows in loop.seen for row in rows][: len(X)]
    assert len(set(drawn)) == len(drawn)


def test_a_loop_that_pauses_keeps_itself_and_goes_on_with_no_step_lost(tmp_path: Path) -> None:
    """What is kept is the training after the last step; the steps go on from there."""
    kept: list[int] = []

    def look() -> None:
        content = torch.load(tmp_path / "kept.pt", weights_only=True)
        kept.append(content["progress"]["steps"])
        assert torch.equal(content["model"]["weight"], loop.model.weight)

    FakeTrainer.script = [grant(), grant(), Pause(grant(1, (4, 5, 6, 7), 3), look), grant(1)]
    loop = Loop(tmp_path)
    with loop.job:
        loop.round(64.0)
    assert [2] == kept, "after the second step"
    assert [{"steps": 2, "paused_s": 1.5}] == [
        {name: told[name] for name in ("steps", "paused_s")} for told in loop.told("goes on")
    ]
    unpaused = Loop(tmp_path / "other")
    FakeTrainer.script = [grant(), grant(), grant(1, (4, 5, 6, 7), 3), grant(1)]
    with unpaused.job:
        unpaused.round(64.0)
    assert unpaused.seen == loop.seen


def test_a_loop_that_was_killed_goes_on_from_what_it_kept(tmp_path: Path) -> None:
    """Bit for bit as one that was not: model, momentum, rows."""

    class Killed(BaseException):
        """As kill -9, for all that the loop can do."""

    def kill(step: int) -> None:
        if step == 3:
            raise Killed

    FakeTrainer.script = [grant(), grant(), grant(), Pause(grant(0, (0,), 2)), grant(0, (0,), 2)]
    first = Loop(tmp_path)
    with pytest.raises(Killed), first.job:
        first.round(64.0, after_step=kill)
    second = Loop(tmp_path)
    with second.job:
        assert 3 == second.job.progress.steps
        second.round(64.0)
    assert [(64.0 - 24.0, 60.0, 0)] == FakeTrainer.made[1].rounds
    whole = Loop(tmp_path / "whole")
    with whole.job:
        whole.round(64.0)
    assert whole.seen == first.seen + second.seen
    assert torch.equal(whole.model.weight, second.model.weight)
    assert whole.job.progress == second.job.progress


def test_rounds_are_counted_over_processes(tmp_path: Path) -> None:
    """Each draws its rows anew, and its steps are counted on."""
    first = Loop(tmp_path)
    with first.job:
        first.round(16.0)
    second = Loop(tmp_path)
    with second.job:
        assert 1 == second.job.round
        second.round(16.0)
    assert second.seen != first.seen
    assert 4 == second.job.progress.steps
    assert FakeTrainer.made[1].closed


def test_it_is_kept_now_and_then_though_nobody_asks(tmp_path: Path) -> None:
    """A power cut costs so much at most."""
    loop = Loop(tmp_path, save_every_s=0.0)
    with loop.job:
        loop.round(24.0)
    assert [1, 2, 3, 3] == [told["steps"] for told in loop.told("kept")]


def test_a_round_that_can_hardly_be_begun_is_declined_at_once(tmp_path: Path) -> None:
    """With the daemon's own reason, before a sample is done."""
    FakeTrainer.foreseen = Outlook(False, 900.0, 2.0, "the board is too warm")
    loop = Loop(tmp_path, least_share=0.1)
    why = "2 of 64 samples by the deadline at most: the board is too warm"
    with loop.job, pytest.raises(CannotMeet, match=why):
        loop.round(64.0)
    assert [] == loop.seen
    willing = Loop(tmp_path, least_share=0.01)
    with willing.job:
        willing.round(64.0)
    assert not willing.job.first_outlook.meets


def test_a_round_may_end_with_its_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of it in time is worth more than all of it too late."""
    now_s = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now_s[0])
    loop = Loop(tmp_path, until_deadline=True)

    def pass_time(step: int) -> None:
        now_s[0] += 25.0

    with loop.job:
        loop.round(64.0, after_step=pass_time)
    assert 3 == len(loop.seen)
    assert 3 / 8 == loop.job.last_share


def test_each_batch_is_told_once(tmp_path: Path) -> None:
    """Else progress would be counted that is none, or none that is."""
    loop = Loop(tmp_path)
    with loop.job:
        drawn = loop.job.batches(len(X), samples=64.0, deadline_s=60.0)
        next(drawn)
        loop.job.step(1.0)
        with pytest.raises(RuntimeError, match="step must be called once for each batch"):
            loop.job.step(1.0)
        next(drawn)
        with pytest.raises(RuntimeError, match="step must be called after each batch"):
            next(drawn)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    """Rather than trained on, or overwritten."""
    (tmp_path / "kept.pt").write_bytes(b"nonsense")
    loop = Loop(tmp_path)
    with pytest.raises(InvalidInput, match="must be a checkpoint of this training"):
        loop.job.__enter__()
    assert b"nonsense" == (tmp_path / "kept.pt").read_bytes()


def test_a_capability_is_read_and_judged(tmp_path: Path) -> None:
    """From a file as the command writes it."""
    path = tmp_path / "capability.json"
    path.write_bytes(msgspec.json.encode(CAPABILITY))
    assert CAPABILITY == read_capability(path)
    path.write_text("{}")
    with pytest.raises(InvalidInput, match="must be what 'ilgov federated profile' wrote"):
        read_capability(path)
