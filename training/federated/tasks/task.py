"""Examples, and a task made of them."""

from typing import Any

from msgspec import Struct
from numpy.typing import NDArray


class Examples(Struct, frozen=True, kw_only=True, eq=False):
    """Inputs (token ids as int64, or features as float32; a row each) and labels (int64)."""

    x: NDArray[Any]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.y)


class Task(Struct, frozen=True, kw_only=True, eq=False):
    """A task: one part of the examples per device, in the fleet's order.

    `tokens` is the length of a text, 0 where examples are features. `model` is the model that the
    setup asks for, else the one that the task is meant for; "" where examples are features.
    """

    name: str
    classes: int
    tokens: int
    parts: tuple[Examples, ...]
    validation: Examples
    test: Examples
    model: str


class Pool(Struct, frozen=True, kw_only=True, eq=False):
    """Examples before they are split over devices."""

    classes: int
    tokens: int
    train: Examples
    validation: Examples
    test: Examples
    model: str
