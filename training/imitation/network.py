"""The network: raw features in, one score per core out.

Its shape is TOP-IL's (arXiv:2206.05459; the numbers are recalled, see `FitOptions`).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_FLAT = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Normalisation:
    """What makes raw features comparable: ``(features - mean) / std``, per column."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float64]) -> "Normalisation":
        """Mean and standard deviation of the columns.

        A column that is constant as far as float32 can tell teaches nothing. Its `std` is 1, or the
        size of its value if that is larger, so that another value later does not drown the rest.

        >>> n = Normalisation.of(np.array([[1.0, 5e9], [3.0, 5e9], [2.0, 5e9]]))
        >>> n.mean.tolist(), n.std.round(3).tolist()
        ([2.0, 5000000000.0], [0.8159999847412109, 5000000000.0])
        """
        mean, std = features.mean(axis=0), features.std(axis=0)
        flat = std <= _FLAT * np.maximum(np.abs(mean), np.finfo(np.float32).tiny)
        std = np.where(flat, np.maximum(1.0, np.abs(mean)), std)
        return cls(mean=mean.astype(np.float32), std=std.astype(np.float32))


class PolicyNetwork(nn.Module):
    """Normalisation, then fully connected layers with ReLU between them.

    `widths` are the sizes of features, hidden layers and scores. Weights come from `generator`
    alone, not from torch's global one.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        widths: tuple[int, ...],
        normalisation: Normalisation | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        normal = normalisation or Normalisation(
            mean=np.zeros(widths[0], np.float32), std=np.ones(widths[0], np.float32)
        )
        self.register_buffer("mean", torch.from_numpy(normal.mean.copy()))
        self.register_buffer("std", torch.from_numpy(normal.std.copy()))
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [_linear(inputs, outputs, generator), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, features: Tensor) -> Tensor:
        """Scores (B, N) of raw features (B, F), both float32."""
        return self.scores(self.normalised(features))

    def normalised(self, features: Tensor) -> Tensor:
        """What the first layer sees; training does this once for all epochs."""
        return (features - self.mean) / self.std

    def scores(self, normalised: Tensor) -> Tensor:
        """Scores of features that are normalised already."""
        result: Tensor = self.layers(normalised)
        return result


def _linear(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """A layer with torch's usual start weights, uniform within 1 / sqrt(inputs)."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    bound = inputs**-0.5
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return layer
