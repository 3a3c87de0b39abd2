"""The shipped trainings are what the cost model says, and what was counted on the proxies."""

from itertools import pairwise

import pytest

from platforms.training_work import load_training, parse_training, shipped_trainings
from training.federated.profile import proxy
from training.federated.profile.networks import NETWORKS, network
from training.federated.profile.training_file import (
    CURVE_SEEDS,
    DEPTH_SEEDS,
    training_of,
    training_text,
)
from training.federated.systems.joint_batch_frequency.efficiency import count_samples
from training.federated.systems.joint_batch_frequency.rates import learning_rate
from training.federated.systems.joint_batch_frequency.workload import WORKLOADS


def test_every_network_has_its_shipped_training() -> None:
    """And no file is of a network that nobody can describe."""
    assert sorted(NETWORKS) == sorted(shipped_trainings())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_shipped_training_is_what_the_cost_model_says_today(name: str) -> None:
    """Whoever changes the cost model writes the files anew."""
    shipped = load_training(name)
    assert shipped.curve is not None
    factors = {int(work.knobs.get("depth", 0)): work.samples_factor for work in shipped.works}
    made = training_of(
        network(name), shipped.curve, factors, curve_seeds=CURVE_SEEDS, depth_seeds=DEPTH_SEEDS
    )
    assert made == shipped
    assert parse_training(training_text(made), origin="text") == shipped


@pytest.mark.parametrize("name", NETWORKS)
def test_the_whole_network_is_the_one_that_the_joint_choice_was_studied_with(name: str) -> None:
    """With all layers trained the work is the study's, figure by figure."""
    load, work = WORKLOADS[name], load_training(name).works[0]
    assert (load.flops, load.sample_bytes, load.step_bytes, load.kernels) == (
        work.flops,
        work.sample_bytes,
        work.step_bytes,
        work.kernels,
    )


def test_less_depth_asks_less_of_everything() -> None:
    """Frozen layers keep nothing, move less and launch less."""
    works = [work for work in load_training("tiny-4").works if work.batch == 16]
    for deeper, shallower in pairwise(works):
        assert deeper.knobs["depth"] > shallower.knobs["depth"]
        for figure in ("flops", "sample_bytes", "step_bytes", "kernels", "memory_bytes"):
            assert getattr(deeper, figure) > getattr(shallower, figure)


def test_the_curve_is_counted_on_the_proxy() -> None:
    """One of its points, counted again: the median run of the largest batch."""
    from statistics import median

    from training.federated.systems.joint_batch_frequency.digits import halves

    curve = load_training("tiny-4").curve
    assert curve is not None
    train, seen = halves("proxy")
    rate = learning_rate("sqrt", 0.2, 128)
    counts = [
        count_samples(train, seen, batch=128, rate=rate, seed=seed) for seed in range(CURVE_SEEDS)
    ]
    assert curve.to_goal(128) == median(counts)


def test_depth_factors_are_samples_over_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the five runs of the shipped file were counted; another network goes by its share."""
    counted = {1: 4480.0, 2: 2240.0, 3: 3200.0, 4: 3840.0}
    monkeypatch.setattr(proxy, "samples_at", lambda depth, seeds: counted[depth])
    factors = proxy.depth_factors(DEPTH_SEEDS)
    shipped = {int(w.knobs["depth"]): w.samples_factor for w in load_training("tiny-4").works}
    assert shipped == factors
    larger = load_training("transformer-6x256").works
    assert {int(w.knobs["depth"]): w.samples_factor for w in larger} == {
        depth: proxy.by_share(factors, depth, 6) for depth in (6, 4, 2, 1)
    }
