"""Tests of the fit: the network learns to put the mappings of a situation in the right order."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from msgspec.structs import replace
from numpy.typing import NDArray

from training.imitation.errors import TrainingFailed
from training.imitation.fit import network_of
from training.joint.episodes import NetworkScorer
from training.joint.fit import WITHIN_K, Fitted, fit, quality
from training.joint.lists import RatedList
from training.joint.options import JointOptions

WIDTH = 6
TRUTH = np.array([3.0, -1.0, 0.5, 2.0, 0.0, -2.0])
OPTIONS = JointOptions(hidden=(16,), epochs=30, batch_lists=8, learning_rate=0.02)


def lists(count: int, seed: int, *, longest: int = 9) -> list[RatedList]:
    """Situations in which heat is a bent sum of the features, beside a level of their own."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        features = rng.uniform(0.0, 1.0, size=(int(rng.integers(2, longest + 1)), WIDTH))
        bent = np.maximum(features @ TRUTH, 0.5)
        features[:, 4] += rng.uniform(0.0, 5.0)
        found.append(RatedList(features.astype(np.float32), bent - bent.min(), 40.0))
    return found


TRAINING, VALIDATION = lists(120, 0), lists(40, 1)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """A network that learnt this."""
    return fit(TRAINING, VALIDATION, OPTIONS)


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares that sum to one."""
    powers = np.exp(values - values.max())
    shares: NDArray[np.float64] = powers / powers.sum()
    return shares


def list_net(fitted: Fitted, validation: Sequence[RatedList], options: JointOptions) -> float:
    """The loss by its formula, list by list: ``- sum p log q``."""
    scorer, total = NetworkScorer(fitted.weights), 0.0
    for entry in validation:
        heat = scorer.run(entry.features)[:, 0].astype(np.float64)
        found = softmax(-options.alpha_per_k * heat)
        label = softmax(-options.alpha_per_k * entry.excess_k)
        if options.labels == "hard":
            label = np.eye(len(label))[entry.excess_k.argmin()]
        total -= float(label @ np.log(found))
    return total / len(validation)


@pytest.mark.parametrize("labels", ["soft", "hard"])
@pytest.mark.parametrize("alpha_per_k", [1e-3, 0.3, 2.0])
def test_the_loss_is_list_nets_whatever_the_lengths_of_the_lists(
    labels: str, alpha_per_k: float
) -> None:
    """Padding to a common length leaves no trace."""
    options = replace(OPTIONS, labels=labels, alpha_per_k=alpha_per_k, epochs=3)
    validation = [*lists(10, 2, longest=3), *lists(10, 3, longest=20)]
    result = fit(TRAINING, validation, options)
    expected = list_net(result, validation, options)
    assert expected == pytest.approx(result.validation_loss, rel=1e-4)


def test_learning_lowers_the_loss_and_finds_the_coolest_mapping(fitted: Fitted) -> None:
    """Of applications that it did not learn from."""
    first = fit(TRAINING, VALIDATION, replace(OPTIONS, epochs=1))
    assert fitted.validation_loss < first.validation_loss
    by_chance = float(np.mean([entry.excess_k.mean() for entry in VALIDATION]))
    assert fitted.quality.mean_excess_k < 0.1 * by_chance
    assert fitted.quality.within_share > 0.95
    assert len(VALIDATION) == fitted.quality.lists


@pytest.mark.parametrize("labels", ["soft", "hard"])
def test_both_kinds_of_labels_beat_chance(labels: str) -> None:
    """The ablation compares them."""
    result = fit(TRAINING, VALIDATION, replace(OPTIONS, labels=labels))
    by_chance = float(np.mean([entry.excess_k.mean() for entry in VALIDATION]))
    assert result.quality.mean_excess_k < 0.2 * by_chance


def test_quality_is_that_of_the_first_choices(fitted: Fitted) -> None:
    """Computed by hand from the scores."""
    network, scorer = network_of(fitted.weights), NetworkScorer(fitted.weights)
    chosen = [entry.excess_k[scorer.run(entry.features)[:, 0].argmin()] for entry in VALIDATION]
    found = quality(network, VALIDATION)
    assert np.mean(chosen) == pytest.approx(found.mean_excess_k)
    assert np.mean(np.array(chosen) <= WITHIN_K) == found.within_share
    assert found == fitted.quality


def test_the_best_epochs_weights_are_kept() -> None:
    """And no more epochs are tried than the patience allows."""
    options = replace(OPTIONS, learning_rate=0.3, decay_per_epoch=1.0, patience=5, epochs=80)
    result = fit(TRAINING[:10], VALIDATION, options)
    assert result.epochs == min(80, result.best_epoch + 5) < 80
    assert list_net(result, VALIDATION, options) == pytest.approx(result.validation_loss, rel=1e-4)
    until_best = fit(TRAINING[:10], VALIDATION, replace(options, epochs=result.best_epoch))
    assert result.validation_loss == until_best.validation_loss


def test_the_same_seed_gives_the_same_weights_and_another_others(fitted: Fitted) -> None:
    """Bit by bit."""
    again = fit(TRAINING, VALIDATION, OPTIONS)
    assert fitted.weights.keys() == again.weights.keys()
    for name, values in fitted.weights.items():
        assert values.tobytes() == again.weights[name].tobytes()
    other = fit(TRAINING, VALIDATION, replace(OPTIONS, seed=1))
    assert other.validation_loss != fitted.validation_loss


@pytest.mark.parametrize("hidden", [(), (4,), (8, 8)])
def test_a_network_has_the_layers_that_were_asked_for(hidden: tuple[int, ...]) -> None:
    """The ablation's sizes; numpy computes what torch computes."""
    result = fit(TRAINING, VALIDATION, replace(OPTIONS, hidden=hidden, epochs=2))
    widths = [m.shape[0] for name, m in result.weights.items() if name.endswith(".weight")]
    assert [*hidden, 1] == widths
    rows = np.concatenate([entry.features for entry in VALIDATION])
    with torch.no_grad():
        expected = network_of(result.weights)(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(NetworkScorer(result.weights).run(rows), expected, atol=1e-5)


@pytest.mark.parametrize(("known", "unseen"), [([], VALIDATION), (TRAINING, [])])
def test_without_lists_there_is_nothing_to_learn(
    known: list[RatedList], unseen: list[RatedList]
) -> None:
    """As on a board with a single core."""
    with pytest.raises(TrainingFailed, match=r"must leave a choice between mappings \(got none"):
        fit(known, unseen, OPTIONS)


def test_a_loss_that_is_not_finite_is_no_result() -> None:
    """Nothing is kept of such a training."""
    with pytest.raises(TrainingFailed, match=r"must stay finite \(got nan in epoch 1\); try a low"):
        fit(TRAINING, VALIDATION, replace(OPTIONS, learning_rate=1e30))
