"""A floorplan: rectangular blocks on a die, which of them touch, and where."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

TOUCH_M = 1e-6
"""Edges closer than this touch: HotSpot's tolerance, as floorplans are often rounded to 1 um."""

_OVERLAP_SHARE = 0.01


@dataclass(frozen=True)
class Block:
    """A rectangle of silicon. Left and bottom are the coordinates of its lower left corner."""

    name: str
    width_m: float
    height_m: float
    left_m: float
    bottom_m: float

    @property
    def area_m2(self) -> float:
        """Its area."""
        return self.width_m * self.height_m


@dataclass(frozen=True)
class Floorplan:
    """Blocks on a die, which is the smallest rectangle around them. Its lower left corner is 0, 0.

    Where no block is, there is nothing: HotSpot models no silicon there, nor spreader or sink below
    (`gap_share`).
    """

    blocks: tuple[Block, ...]

    @classmethod
    def of(cls, blocks: tuple[Block, ...]) -> "Floorplan":
        """The floorplan of blocks that may lie anywhere: they are moved to the origin."""
        left_m = min(block.left_m for block in blocks)
        bottom_m = min(block.bottom_m for block in blocks)
        return cls(
            tuple(
                replace(b, left_m=b.left_m - left_m, bottom_m=b.bottom_m - bottom_m) for b in blocks
            )
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The blocks' names, in the file's order."""
        return tuple(block.name for block in self.blocks)

    @cached_property
    def areas_m2(self) -> Vector:
        """The blocks' areas."""
        return np.array([block.area_m2 for block in self.blocks])

    @cached_property
    def widths_m(self) -> Vector:
        """The blocks' widths."""
        return np.array([block.width_m for block in self.blocks])

    @cached_property
    def heights_m(self) -> Vector:
        """The blocks' heights."""
        return np.array([block.height_m for block in self.blocks])

    @cached_property
    def _left(self) -> Vector:
        return np.array([block.left_m for block in self.blocks])

    @cached_property
    def _bottom(self) -> Vector:
        return np.array([block.bottom_m for block in self.blocks])

    @property
    def width_m(self) -> float:
        """The die's width."""
        return float((self._left + self.widths_m).max())

    @property
    def height_m(self) -> float:
        """The die's height."""
        return float((self._bottom + self.heights_m).max())

    @property
    def gap_share(self) -> float:
        """The share of the die that no block covers."""
        return max(0.0, 1.0 - float(self.areas_m2.sum()) / (self.width_m * self.height_m))

    @property
    def at_edges(self) -> dict[str, NDArray[np.bool_]]:
        """For each edge of the die (west, east, north, south) which blocks lie at it."""
        right, top = self._left + self.widths_m, self._bottom + self.heights_m
        return {
            "west": np.abs(self._left) < TOUCH_M,
            "east": np.abs(right - self.width_m) < TOUCH_M,
            "north": np.abs(top - self.height_m) < TOUCH_M,
            "south": np.abs(self._bottom) < TOUCH_M,
        }

    @cached_property
    def contacts(self) -> tuple[Matrix, Matrix]:
        """Lengths (m) along which pairs of blocks touch: side by side, and one above the other."""
        shared_x, shared_y = self._shared()
        right, top = self._left + self.widths_m, self._bottom + self.heights_m
        beside = np.abs(right[:, None] - self._left[None, :]) < TOUCH_M
        above = np.abs(top[:, None] - self._bottom[None, :]) < TOUCH_M
        side: Matrix = np.where((beside | beside.T) & (shared_y >= TOUCH_M), shared_y, 0.0)
        stacked: Matrix = np.where((above | above.T) & (shared_x >= TOUCH_M), shared_x, 0.0)
        np.fill_diagonal(side, 0.0)
        np.fill_diagonal(stacked, 0.0)
        return side, stacked

    def overlaps(self) -> Iterator[tuple[int, int]]:
        """Pairs of blocks that cover the same silicon, beyond what rounding explains.

        Rounding explains 2 um, or a hundredth of the smaller block's side.
        """
        shared_x, shared_y = self._shared()
        widths = np.minimum(self.widths_m[:, None], self.widths_m[None, :])
        heights = np.minimum(self.heights_m[:, None], self.heights_m[None, :])
        deep = (shared_x > np.maximum(2 * TOUCH_M, _OVERLAP_SHARE * widths)) & (
            shared_y > np.maximum(2 * TOUCH_M, _OVERLAP_SHARE * heights)
        )
        for first, second in np.argwhere(np.triu(deep, 1)):
            yield int(first), int(second)

    def _shared(self) -> tuple[Matrix, Matrix]:
        """How long the blocks' shadows on the x axis and on the y axis overlap; below 0 a gap."""
        right, top = self._left + self.widths_m, self._bottom + self.heights_m
        shared_x = np.minimum.outer(right, right) - np.maximum.outer(self._left, self._left)
        shared_y = np.minimum.outer(top, top) - np.maximum.outer(self._bottom, self._bottom)
        return shared_x, shared_y
