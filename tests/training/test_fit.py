"""Tests of fitting: it learns, it stops, it repeats."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training.imitation.errors import TrainingFailed
from training.imitation.fit import fit, network_of, predict
from training.imitation.fit_data import Epoch, FitData, FitOptions
from training.imitation.network import Normalisation, PolicyNetwork
from training.imitation.quality import at_random, highest, judge


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two sets of weights are equal, bit by bit."""
    return all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_training_beats_a_constant_predictor_by_far(trained: SimpleNamespace) -> None:
    """On applications that it never saw; a test that merely runs would pass with any network."""
    data = trained.data
    constant = data.training_labels.mean(axis=0)
    constant_loss = ((data.validation_labels - constant) ** 2).mean()
    assert trained.result.validation_loss < 0.2 * constant_loss


def test_training_chooses_cores_far_better_than_chance(trained: SimpleNamespace) -> None:
    """The loss is a means; the choice of the core is what counts."""
    validation = trained.split.validation
    scores = predict(trained.network, validation.features)
    network = judge(highest(scores, validation), validation).choice
    random = judge(at_random(validation), validation).choice
    assert network.hit_rate is not None
    assert random.hit_rate is not None
    assert network.hit_rate.value > 0.9 > 0.75 > random.hit_rate.value


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    trained: SimpleNamespace,
) -> None:
    """Whatever else drew from torch's global generator in between."""
    options = FitOptions(max_epochs=3, batch_size=64)
    first = fit(trained.data, seed=5, options=options)
    torch.rand(7)
    again = fit(trained.data, seed=5, options=options)
    other = fit(trained.data, seed=6, options=options)
    assert same(dict(first.weights), dict(again.weights))
    assert first.validation_losses == again.validation_losses
    assert not same(dict(first.weights), dict(other.weights))


def test_the_global_generator_is_left_alone(trained: SimpleNamespace) -> None:
    """A training inside another program must not change that program's random numbers."""
    before = torch.get_rng_state()
    fit(trained.data, seed=0, options=FitOptions(max_epochs=1))
    assert torch.equal(before, torch.get_rng_state())


def test_it_stops_when_validation_no_longer_improves_and_keeps_the_best(
    trained: SimpleNamespace,
) -> None:
    """Labels of noise cannot be learnt, so the loss on other noise soon rises."""
    rng = np.random.default_rng(0)
    data = FitData(
        training_features=rng.random((128, 4)),
        training_labels=rng.random((128, 2)),
        validation_features=rng.random((64, 4)),
        validation_labels=rng.random((64, 2)),
    )
    options = FitOptions(max_epochs=100, patience=4, batch_size=16)
    result = fit(data, seed=0, options=options)
    assert result.epochs == result.best_epoch + 4 < 100
    assert min(result.validation_losses) == result.validation_loss
    scores = predict(network_of(result.weights), data.validation_features)
    loss = ((scores - data.validation_labels) ** 2).mean()
    assert loss == pytest.approx(result.validation_loss, rel=1e-5)


def test_weights_decay_where_that_is_asked_for(trained: SimpleNamespace) -> None:
    """An option that did nothing would be believed."""
    norms = {}
    for decay in (0.0, 1.0):
        options = FitOptions(max_epochs=5, batch_size=64, weight_decay=decay)
        weights = fit(trained.data, seed=0, options=options).weights
        norms[decay] = sum(np.linalg.norm(w) for name, w in weights.items() if "weight" in name)
    assert norms[1.0] < 0.9 * norms[0.0]


def test_every_epoch_is_reported(trained: SimpleNamespace) -> None:
    """The terminal shows them while training runs."""
    heard: list[Epoch] = []
    options = FitOptions(max_epochs=2)
    result = fit(trained.data, seed=4, options=options, progress=heard.append)
    assert [(4, 1), (4, 2)] == [(epoch.seed, epoch.epoch) for epoch in heard]
    assert list(result.validation_losses) == [epoch.validation_loss for epoch in heard]


def test_a_loss_that_is_not_finite_ends_with_its_reason(trained: SimpleNamespace) -> None:
    """Better than a policy of NaN."""
    data = FitData(
        training_features=trained.data.training_features,
        training_labels=trained.data.training_labels * 1e30,
        validation_features=trained.data.validation_features,
        validation_labels=trained.data.validation_labels,
    )
    with pytest.raises(TrainingFailed, match=r"loss of seed 0 must stay finite \(got inf in train"):
        fit(data, seed=0, options=FitOptions(max_epochs=2))


def test_raw_features_come_out_normalised() -> None:
    """Columns span 0 to 1e10 and must all count alike."""
    rng = np.random.default_rng(1)
    features = rng.random((400, 3)) * [1e10, 1.0, 1e-3] + [5e9, -3.0, 0.0]
    network = PolicyNetwork(widths=(3, 2), normalisation=Normalisation.of(features))
    normalised = network.normalised(torch.from_numpy(features.astype(np.float32))).numpy()
    np.testing.assert_allclose(normalised.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(normalised.std(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e10 / 3])
def test_a_constant_column_becomes_zero(value: float) -> None:
    """Its standard deviation is 0, or what rounding left of it; neither may be divided by."""
    normalisation = Normalisation.of(np.full((1001, 1), value))
    assert max(1.0, value) == pytest.approx(float(normalisation.std[0]))
    assert np.float32(value) == pytest.approx(float(normalisation.mean[0]))


def test_the_network_has_the_shape_of_topil() -> None:
    """21 features, four hidden layers of 64, 8 scores: 14 408 parameters."""
    network = PolicyNetwork(widths=(21, *FitOptions().hidden, 8))
    assert 14_408 == sum(parameter.numel() for parameter in network.parameters())
