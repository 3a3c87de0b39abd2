"""Tests of what is done about jobs that do not keep to their grants, and of knobs taken again."""

import logging
from collections.abc import Iterable

import pytest

from platforms.platform import Decision, TrainingGrant
from rm.daemon.configuration.settings import TrainingSettings
from rm.daemon.training.enforcement import Enforcement
from rm.daemon.training.training_desk import TrainingDesk
from rm.training.job import JobLimits
from rm.training.jobs import TrainingJobs
from tests.rm.daemon.fake_table import FakeTable, process
from tests.rm.readings import HIKEY
from tests.rm.training_capability import typed_capability

GRANT = TrainingGrant(1, 0, (0, 1))
PAUSE = TrainingGrant(1, 0, ())


class FakeBoard:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.applied: list[Decision] = []
        self.enforced: list[tuple[list[int], list[int]]] = []

    def apply(self, decision: Decision) -> None:
        """Noted."""
        self.applied.append(decision)

    def enforce(self, *, pause: Iterable[int] = (), throttle: Iterable[int] = ()) -> None:
        """Noted."""
        self.enforced.append((list(pause), list(throttle)))


class Scene:
    """One job with a round, half a second of grace, and what becomes of it."""

    def __init__(self, *, enforces: bool = True) -> None:
        table = FakeTable(process(2))
        self.jobs = TrainingJobs(HIKEY)
        self.desk = TrainingDesk(self.jobs, table, TrainingSettings(expiry_s=2.0))
        self.held = self.desk.register(
            table.running[2],
            uid=0,
            capability=typed_capability(),
            limits=JobLimits(grace_s=0.5),
            name="tiny",
            now_s=0.0,
        )
        self.jobs.begin_round(1, number=1, samples=1e6, deadline_s=1e3, now_s=0.0)
        self.board = FakeBoard()
        self.enforcement = Enforcement(self.board, self.desk, enforces=enforces)

    def round(self, now_s: float, *grants: TrainingGrant, steers: bool = True) -> None:
        """A decision, and what follows it."""
        self.enforcement.after_round(Decision(grants=grants), now_s, steers=steers)


def test_a_job_that_keeps_to_its_grant_is_left_alone() -> None:
    """And what was decided is told to it, and counted."""
    scene = Scene()
    scene.round(1.0, GRANT)
    assert "granted" == scene.jobs.get(1, 1.0).state
    scene.jobs.progress(1, samples=1.0, now_s=2.0)
    scene.round(2.0, PAUSE)
    scene.jobs.confirm_paused(1, 2.2)
    scene.round(9.0)
    assert [] == scene.board.enforced
    counts = scene.enforcement
    assert (1, 1, 0) == (counts.grants, counts.pauses, counts.held)


def test_one_that_does_not_pause_is_frozen_until_its_next_grant(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said once."""
    scene = Scene()
    scene.round(1.0, GRANT)
    scene.round(1.1, PAUSE)
    scene.round(1.5)
    assert [] == scene.board.enforced
    with caplog.at_level(logging.WARNING):
        scene.round(1.7)
        scene.round(1.8)
    assert [([1], [])] * 2 == scene.board.enforced
    assert ("frozen", 1) == (scene.enforcement.held_by(1), scene.enforcement.held)
    assert ["job 1 'tiny' must have paused by now, and is frozen"] == caplog.messages
    scene.round(2.0, GRANT)
    assert scene.enforcement.held_by(1) is None


def test_one_that_is_silent_is_throttled_until_it_speaks() -> None:
    """Frozen it never could."""
    scene = Scene()
    scene.round(1.0, GRANT)
    scene.round(40.0)
    assert ([], [1]) == scene.board.enforced[-1]
    assert "throttled" == scene.enforcement.held_by(1)
    scene.jobs.progress(1, samples=0.0, now_s=41.0)
    scene.round(41.0)
    assert scene.enforcement.held_by(1) is None


def test_while_the_kernel_has_the_knobs_nobody_is_held_and_then_all_are_again() -> None:
    """By the last grant."""
    scene = Scene()
    scene.round(0.5)
    scene.round(1.0, GRANT)
    scene.round(1.5, PAUSE)
    for at_s in (3.0, 4.0):
        scene.round(at_s, steers=False)
    assert [] == scene.board.enforced
    scene.jobs.confirm_paused(1, 4.0)
    scene.jobs.hand_out([GRANT], 4.0)
    scene.round(4.1)
    assert [Decision(grants=(GRANT,))] == scene.board.applied
    scene.round(4.2)
    assert 1 == len(scene.board.applied)


def test_where_nothing_enforces_a_job_is_only_told() -> None:
    """As configured, and in a dry run."""
    scene = Scene(enforces=False)
    scene.round(1.0, GRANT)
    scene.round(1.1, PAUSE)
    scene.round(9.0)
    assert "paused" == scene.jobs.get(1, 9.0).state
    assert (None, [], []) == (
        scene.enforcement.held_by(1),
        scene.board.enforced,
        scene.board.applied,
    )
