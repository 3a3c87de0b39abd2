"""Directions of zeroth-order steps: drawn anew from their names wherever they are needed.

A direction is named by a seed, a step and a number, and cut by stages of the network. Philox is
based on a counter, so any part of any direction is drawn without the others, by the server as by
every device. How bits become normal numbers is numpy's, and may change with its version; hence
`fingerprint`, by which two machines find out before they compute with different directions.
"""

import zlib
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


class Direction(NamedTuple):
    """The name of a direction: a seed of 63 bits, a step of it, and which of the step's."""

    seed: int
    step: int
    which: int


def draw(direction: Direction, stage: int, size: int) -> Vector:
    """A direction's part in a stage: standard normal numbers, the same on every machine.

    >>> whole = draw(Direction(7, 0, 1), stage=2, size=5)
    >>> bool((draw(Direction(7, 0, 1), stage=2, size=3) == whole[:3]).all())
    True
    """
    bits = np.random.Philox(
        key=np.array([direction.seed, direction.step], dtype=np.uint64),
        counter=np.array([0, 0, direction.which, stage], dtype=np.uint64),
    )
    return np.random.Generator(bits).standard_normal(size, dtype=np.float32)


def fingerprint(seed: int) -> int:
    """What two machines compare to know that they draw the same directions (32 bits)."""
    return zlib.crc32(draw(Direction(seed, 0, 0), 0, 4096).tobytes())


class Noise:
    """Draws directions, and keeps the last ones as far as `keep_bytes` reaches.

    Nothing that is drawn depends on what is kept. A device keeps nothing; where one process plays
    the server and all devices, they share what each would draw for itself.
    """

    def __init__(self, keep_bytes: int = 0) -> None:
        self.keep_bytes = keep_bytes
        self._kept: OrderedDict[tuple[Direction, int], Vector] = OrderedDict()
        self.kept_bytes = 0

    def part(self, direction: Direction, stage: int, size: int) -> Vector:
        """See `draw`; not to be written to."""
        key = (direction, stage)
        found = self._kept.get(key)
        if found is not None and found.size == size:
            self._kept.move_to_end(key)
            return found
        drawn = draw(direction, stage, size)
        if found is None and drawn.nbytes <= self.keep_bytes:
            self._keep(key, drawn)
        return drawn

    def _keep(self, key: tuple[Direction, int], drawn: Vector) -> None:
        drawn.flags.writeable = False
        self._kept[key] = drawn
        self.kept_bytes += drawn.nbytes
        while self.kept_bytes > self.keep_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.kept_bytes -= oldest.nbytes


PROCESS = Noise()
"""Shared by the server and the devices of a process; a server sets how much it keeps."""
