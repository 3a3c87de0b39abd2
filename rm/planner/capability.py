"""What a training job can do: time per sample and power, over settings of its knobs and places.

The tables come from a measurement on the device or from the board's models, and travel as JSON.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.training_work import BATCH, Efficiency, curve_problems

Table = tuple[tuple[float, ...], ...]
"""Settings x places."""


class Setting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One setting of the knobs, ``batch`` among them.

    `memory_bytes` is the peak that it keeps resident. It takes `samples_factor` times the samples
    that the curve says of its batch, for the knobs beside.
    """

    knobs: dict[str, float]
    memory_bytes: int
    samples_factor: float = 1.0


class Place(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to compute: so many cores of a cluster at a frequency, or an accelerator (no cores)."""

    unit: str
    cores: int
    freq_hz: int


class Capability(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tables of one job on one board.

    `sample_s` is seconds per sample of the setting, `peak_w` and `mean_w` what the SoC takes while
    it trains alone: the cores, their cluster's shared part and their leakage at its reference
    temperature, or the accelerator. `bytes_per_sample` is memory traffic, per setting. `curve` says
    how many samples the goal takes by batch (None: as many with any).
    """

    settings: tuple[Setting, ...]
    places: tuple[Place, ...]
    sample_s: Table
    peak_w: Table
    mean_w: Table
    bytes_per_sample: tuple[float, ...]
    curve: Efficiency | None
    origin: Literal["modelled", "measured"]

    def samples_to_goal(self, setting: int) -> float:
        """How many samples the goal takes with a setting; 1 stands for it without a curve."""
        chosen = self.settings[setting]
        samples = 1.0 if self.curve is None else self.curve.to_goal(chosen.knobs[BATCH])
        return samples * chosen.samples_factor


def check_capability(board: Board, capability: Capability) -> None:
    """Raise InvalidInput (field, requirement, value) for what cannot be of this board."""
    for problem in capability_problems(board, capability):
        raise InvalidInput(problem)


def capability_problems(board: Board, capability: Capability) -> Iterator[str]:
    """Everything wrong about a capability, as ``field must ... (got ...)``."""
    for name in ("settings", "places"):
        if not getattr(capability, name):
            yield f"{name} must hold at least one entry (got none)"
    for index, setting in enumerate(capability.settings):
        yield from _setting_problems(setting, f"settings[{index}]")
    places = set()
    for index, place in enumerate(capability.places):
        yield from _place_problems(board, place, f"places[{index}]")
        places.add((place.unit, place.cores, place.freq_hz))
    if len(places) < len(capability.places):
        yield "places must differ from each other (got some twice)"
    for name in ("sample_s", "peak_w", "mean_w"):
        yield from _table_problems(capability, name)
    yield from _traffic_problems(capability)
    if capability.curve is not None:
        yield from curve_problems(capability.curve)


def _setting_problems(setting: Setting, where: str) -> Iterator[str]:
    if not setting.knobs.get(BATCH, 0.0) >= 1.0:
        yield f"{where}.knobs must hold a batch of at least 1 (got {setting.knobs})"
    if not all(map(math.isfinite, setting.knobs.values())):
        yield f"{where}.knobs must be finite (got {setting.knobs})"
    if setting.memory_bytes < 0:
        yield f"{where}.memory_bytes must not be negative (got {setting.memory_bytes})"
    if not 0.0 < setting.samples_factor < math.inf:
        got = setting.samples_factor
        yield f"{where}.samples_factor must be positive and finite (got {got})"


def _place_problems(board: Board, place: Place, where: str) -> Iterator[str]:
    clusters = {cluster.name: cluster for cluster in board.clusters}
    accelerators = {one.name: one for one in board.accelerators}
    if place.unit in clusters:
        most, least = len(clusters[place.unit].cores), 1
        freqs_hz = clusters[place.unit].freqs_hz
    elif place.unit in accelerators:
        most = least = 0
        freqs_hz = accelerators[place.unit].freqs_hz
    else:
        known = ", ".join([*clusters, *accelerators])
        yield f"{where}.unit must be one of {known} (got {place.unit!r})"
        return
    if not least <= place.cores <= most:
        yield f"{where}.cores must be {least} to {most} on {place.unit} (got {place.cores})"
    if place.freq_hz not in freqs_hz:
        yield f"{where}.freq_hz must be a frequency of {place.unit} (got {place.freq_hz})"


def _table_problems(capability: Capability, name: str) -> Iterator[str]:
    table: Table = getattr(capability, name)
    rows, columns = len(capability.settings), len(capability.places)
    if len(table) != rows or any(len(row) != columns for row in table):
        got = f"{len(table)} rows of {sorted({len(row) for row in table})}"
        yield f"{name} must have {rows} rows, one a setting, of {columns} places (got {got})"
        return
    for index, row in enumerate(table):
        for column, value in enumerate(row):
            if not 0.0 < value < math.inf:
                yield f"{name}[{index}][{column}] must be positive and finite (got {value})"


def _traffic_problems(capability: Capability) -> Iterator[str]:
    traffic: Sequence[float] = capability.bytes_per_sample
    if len(traffic) != len(capability.settings):
        got = f"{len(traffic)} for {len(capability.settings)}"
        yield f"bytes_per_sample must have one entry a setting (got {got})"
    for index, value in enumerate(traffic):
        if not 0.0 <= value < math.inf:
            yield f"bytes_per_sample[{index}] must be finite, not negative (got {value})"
