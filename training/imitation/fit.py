"""Fit one network with one seed: the same data, options and seed give the same weights, bit by bit.

Adam (AdamW, where weights shall decay), a learning rate that decays per epoch, mean squared error
over all scores, early stopping.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss

from training.imitation.errors import TrainingFailed
from training.imitation.fit_data import Epoch, FitData, FitOptions, FitResult, Progress
from training.imitation.network import Normalisation, PolicyNetwork


def fit(
    data: FitData, *, seed: int, options: FitOptions, progress: Progress | None = None
) -> FitResult:
    """Train one network; `progress` hears of every epoch.

    Torch is set to one thread, as sums over several would not repeat. Raises TrainingFailed when
    the loss is no longer finite.
    """
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    network = PolicyNetwork(
        widths=data.widths(options),
        normalisation=Normalisation.of(data.training_features),
        generator=generator,
    )
    run = _Run(network, data, options, generator)
    history: list[Epoch] = []
    best, weights = -1, _weights(network)
    for number in range(options.max_epochs):
        epoch = Epoch(seed, number + 1, run.train_epoch(), run.validation_loss())
        _check_finite(epoch)
        history.append(epoch)
        if best < 0 or epoch.validation_loss < history[best].validation_loss:
            best, weights = number, _weights(network)
        if progress is not None:
            progress(epoch)
        if number - best >= options.patience:
            break
    return FitResult(
        seed=seed,
        best_epoch=best + 1,
        validation_loss=history[best].validation_loss,
        training_losses=tuple(epoch.training_loss for epoch in history),
        validation_losses=tuple(epoch.validation_loss for epoch in history),
        weights=weights,
    )


class _Run:
    """One network with its optimiser and its data, normalised once."""

    def __init__(
        self,
        network: PolicyNetwork,
        data: FitData,
        options: FitOptions,
        generator: torch.Generator,
    ) -> None:
        self._network, self._options, self._generator = network, options, generator
        with torch.no_grad():
            self._inputs = network.normalised(_tensor(data.training_features))
            self._validation_inputs = network.normalised(_tensor(data.validation_features))
        self._labels = _tensor(data.training_labels)
        self._validation_labels = _tensor(data.validation_labels)
        self._optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.ExponentialLR(
            self._optimiser, options.decay_per_epoch
        )

    def train_epoch(self) -> float:
        """Learn from every row once, in random order; the mean loss on the way."""
        order = torch.randperm(len(self._inputs), generator=self._generator)
        inputs, labels = self._inputs[order], self._labels[order]
        total = torch.zeros(())
        size = self._options.batch_size
        for start in range(0, len(inputs), size):
            some = inputs[start : start + size]
            self._optimiser.zero_grad()
            loss = mse_loss(self._network.scores(some), labels[start : start + size])
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            total += loss.detach() * len(some)
        self._schedule.step()
        return float(total) / len(inputs)

    def validation_loss(self) -> float:
        """The loss on the validation rows."""
        with torch.no_grad():
            scores = self._network.scores(self._validation_inputs)
            return float(mse_loss(scores, self._validation_labels))


def predict(network: PolicyNetwork, features: NDArray[np.float64]) -> NDArray[np.float32]:
    """The scores of raw feature rows, computed by torch in float32."""
    with torch.no_grad():
        scores: NDArray[np.float32] = network(_tensor(features)).numpy()
    return scores


def network_of(weights: Mapping[str, NDArray[np.float32]]) -> PolicyNetwork:
    """The network with these weights (`FitResult.weights`)."""
    matrices = [value for name, value in weights.items() if name.endswith(".weight")]
    network = PolicyNetwork(widths=(matrices[0].shape[1], *(m.shape[0] for m in matrices)))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network.eval()


def _weights(network: PolicyNetwork) -> dict[str, NDArray[np.float32]]:
    return {name: value.numpy().copy() for name, value in network.state_dict().items()}


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _check_finite(epoch: Epoch) -> None:
    if not math.isfinite(epoch.training_loss + epoch.validation_loss):
        raise TrainingFailed(
            f"the loss of seed {epoch.seed} must stay finite (got {epoch.training_loss} in "
            f"training and {epoch.validation_loss} in validation in epoch {epoch.epoch}); "
            "look for extreme values in the demonstrations"
        )
