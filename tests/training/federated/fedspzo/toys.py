"""Small networks as chains, and setups that run in milliseconds."""

from typing import Any

import numpy as np
import torch
from torch import nn

from training.federated.system import Setup
from training.federated.systems.fedspzo.chain import Chain, Stage


class Centre(nn.Module):
    """Hands its weights on, whatever comes in: a loss of these is any function that one likes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(-1, 1, size))

    def forward(self, seen: list[torch.Tensor]) -> list[torch.Tensor]:
        """What came in, and its own weights."""
        return [*seen, self.weight.clone()]


def centres_chain(*sizes: int) -> Chain:
    """Stages that are nothing but their weights."""
    stages = [Centre(size) for size in sizes]
    return Chain([Stage(stage, stage) for stage in stages])


def layers_chain(layers: int = 3, width: int = 6, classes: int = 3, seed: int = 0) -> Chain:
    """Linear input, tanh layers, linear head: float32 in, logits out."""
    torch.manual_seed(seed)
    first, head = nn.Linear(4, width), nn.Linear(width, classes)
    middle = [nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(layers)]
    hidden = [Stage(layer, layer, layer=True) for layer in middle]
    return Chain([Stage(first, first), *hidden, Stage(head, head)])


class TiedHead(nn.Module):
    """Scores words by the embedding that they were read with."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))
        self.weight = embedding.weight

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Mean over the text, scored."""
        return hidden.mean(1) @ self.weight.T + self.bias


def tied_chain(words: int = 7, width: int = 4) -> Chain:
    """Embedding, one layer, and a head that shares the embedding."""
    torch.manual_seed(0)
    embedding = nn.Embedding(words, width)
    layer = nn.Sequential(nn.Linear(width, width), nn.Tanh())
    head = TiedHead(embedding)
    return Chain([Stage(embedding, embedding), Stage(layer, layer, layer=True), Stage(head, head)])


def batch(seed: int = 0, count: int = 16, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs for `layers_chain`, and labels."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((count, 4), dtype=np.float32)
    return torch.from_numpy(inputs), torch.from_numpy(rng.integers(0, classes, count))


def setup(method: str = "fedspzo", *, devices: int = 3, seed: int = 0, **options: Any) -> Setup:
    """Two random layers on the task `labels`, two local steps of a batch of 4."""
    given = {"model": "source-2:random", "local_steps": 2, "batch": 4, "samples": 2, "pool": 16}
    return Setup(
        system="fedspzo",
        method=method,
        task="labels",
        fleet="classes20",
        devices=devices,
        seed=seed,
        options=given | options,
    )
