"""Swan-like choice of cores: the ladder of choices, down at interference, up again when calm."""

from itertools import pairwise

import pytest

from rm.training.baselines.swan import CALM_LOOKS, Swan, choices, make
from rm.training.registry import TrainingContext
from tests.rm.readings import HIKEY
from tests.rm.training.baselines.jobs import at_work, capability, seen

OPTIONS = choices(HIKEY, capability(), 0)


def test_no_choice_is_dominated() -> None:
    """Who costs the foreground more is faster."""
    assert len(OPTIONS) > 1
    for lower, higher in pairwise(OPTIONS):
        assert lower.cost < higher.cost
        assert lower.rate < higher.rate


class _Run:
    """A swan whose job does a share of what the profile promises."""

    def __init__(self, context: TrainingContext, policy: Swan) -> None:
        self.context, self.policy = context, policy
        self.time_s = self.samples = 0.0
        self.step(0.0)

    @property
    def cores(self) -> tuple[int, ...]:
        """Where it trains."""
        grant = self.context.jobs.get(1, self.time_s).grant
        assert grant is not None
        return grant.cores

    def step(self, share: float, *, waits: bool = False) -> None:
        """One round of the governor."""
        job = self.context.jobs.get(1, self.time_s)
        if job.grant:
            rate = next(choice.rate for choice in OPTIONS if choice.cores == job.grant.cores)
            gained = 0.05 * share * rate
            self.samples += gained
        self.time_s += 0.05
        self.context.jobs.progress(1, samples=0.0, now_s=self.time_s)
        shown = seen(self.context, self.time_s, samples=self.samples, waits=waits)
        self.context.jobs.hand_out(self.policy.train(shown), self.time_s)

    def run(self, seconds: float, share: float, *, waits: bool = False) -> None:
        """Many of them."""
        for _ in range(round(seconds / 0.05)):
            self.step(share, waits=waits)


@pytest.fixture
def run() -> _Run:
    """A swan at its fastest choice."""
    context = at_work(samples=1e9)
    return _Run(context, make(context))


def test_it_starts_with_the_fastest_choice_and_stays_while_nothing_interferes(run: _Run) -> None:
    """Small noise in the rate is no interference."""
    run.run(5.0, 0.95)
    assert OPTIONS[-1].cores == run.cores


def test_interference_costs_it_a_choice_a_look(run: _Run) -> None:
    """Down to the cheapest, which it keeps."""
    run.run(1.2, 0.5)
    assert OPTIONS[-2].cores == run.cores
    run.run(60.0, 0.5)
    assert OPTIONS[0].cores == run.cores


def test_it_tries_the_next_choice_after_a_calm_while(run: _Run) -> None:
    """Not before."""
    run.run(1.2, 0.5)
    run.run(0.8 * CALM_LOOKS, 1.0)
    assert OPTIONS[-2].cores == run.cores
    run.run(0.5 * CALM_LOOKS, 1.0)
    assert OPTIONS[-1].cores == run.cores


def test_waiting_for_a_round_is_no_interference(run: _Run) -> None:
    """It does nothing then, for want of work."""
    run.run(10.0, 0.0, waits=True)
    assert OPTIONS[-1].cores == run.cores
