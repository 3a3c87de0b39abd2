"""A tiny transformer and what it learns: nothing but PyTorch, no file, the same every time."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

LAYERS, WIDTH, HEADS, INNER = 4, 16, 2, 32
WORDS, LENGTH, CLASSES = 64, 6, 4
"""Small, for floating point is what the emulator is slowest at."""

EXAMPLES = 512
LEARNING_RATE = 0.05


def tiny_transformer() -> nn.Module:
    """4 layers, 16 wide; the same parameters every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, INNER, 0.0, batch_first=True)
        return nn.Sequential(
            nn.Embedding(WORDS, WIDTH),
            nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False),
            nn.Flatten(),
            nn.Linear(WIDTH * LENGTH, CLASSES),
        )


def examples() -> tuple[Tensor, Tensor]:
    """Texts, and which quarter of the words each begins with."""
    drawn = torch.Generator().manual_seed(1)
    x = torch.randint(0, WORDS, (EXAMPLES, LENGTH), generator=drawn)
    return x, x[:, 0] * CLASSES // WORDS


class Descent:
    """Plain gradient descent; `torch.optim` would import PyTorch's compiler, for half a minute."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float = LEARNING_RATE) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": lr}]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.param_groups[0]["params"]:
            parameter.grad = None

    def step(self) -> None:
        """Go down."""
        group = self.param_groups[0]
        with torch.no_grad():
            for parameter in group["params"]:
                parameter.sub_(parameter.grad, alpha=group["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Nothing has to be kept: whoever governs sets the rate."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing was."""
        assert not state


def train_a_batch(model: nn.Module, optimiser: Any, x: Tensor, y: Tensor) -> float:
    """One step; its loss."""
    optimiser.zero_grad()
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.item()
