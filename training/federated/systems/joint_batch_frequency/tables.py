"""Tables of a device: time per sample and power, for every batch size and place to compute.

A place is whatever a device can be set to: the frequency of a GPU, or a cluster with its operating
point and number of cores. Nothing here looks into it.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from platforms.errors import InvalidInput

Place = TypeVar("Place", bound=Hashable)

Origin = Literal["modelled", "measured"]


@dataclass(frozen=True)
class Tables(Generic[Place]):
    """What a device takes, by (batch, place): seconds per sample, peak and mean power in watts.

    `origin` says whether a declared model or a measurement speaks; the two are never mixed.
    """

    sample_s: Mapping[tuple[int, Place], float]
    peak_w: Mapping[tuple[int, Place], float]
    mean_w: Mapping[tuple[int, Place], float]
    origin: Origin

    def __post_init__(self) -> None:
        """InvalidInput where the tables do not have the same pairs, or hold what cannot be."""
        if not self.sample_s:
            raise InvalidInput("tables must hold at least one pair of batch and place (got none)")
        for name, table in (("peak_w", self.peak_w), ("mean_w", self.mean_w)):
            if table.keys() != self.sample_s.keys():
                raise InvalidInput(f"{name} must have the pairs of sample_s")
        for name in ("sample_s", "peak_w", "mean_w"):
            for pair, value in getattr(self, name).items():
                if not 0 < value < float("inf"):
                    raise InvalidInput(f"{name} of {pair} must be above 0 and finite (got {value})")

    @property
    def batches(self) -> list[int]:
        """All batch sizes, ascending."""
        return sorted({batch for batch, _ in self.sample_s})
