"""What a training job can do: time per sample and power, over settings of its knobs and places.

The tables come from a measurement on the device or from the board's models, and travel as JSON.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from platforms.accelerator_model import accelerator_point
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.training_point import TrainingPoint, core_point
from platforms.training_work import BATCH, Efficiency, TrainingWork, curve_problems

Table = tuple[tuple[float, ...], ...]
"""Settings x places."""

LEAST, MOST = 1e-12, 1e12
"""Seconds, watts, factors and knobs that are less or more are no training's: they only overflow, or
divide by zero, where a governor reckons with them."""

MOST_BYTES = 1 << 50

_RANGE = f"{LEAST:g} to {MOST:g}"


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
    how many samples the goal takes by batch (None: as many with any). `power_origin` is where the
    watts are from, if not from where the times are: few devices have a sensor of power.
    """

    settings: tuple[Setting, ...]
    places: tuple[Place, ...]
    sample_s: Table
    peak_w: Table
    mean_w: Table
    bytes_per_sample: tuple[float, ...]
    curve: Efficiency | None
    origin: Literal["modelled", "measured"]
    power_origin: Literal["modelled", "measured"] | None = None

    def samples_to_goal(self, setting: int) -> float:
        """How many samples the goal takes with a setting; 1 stands for it without a curve."""
        chosen = self.settings[setting]
        samples = 1.0 if self.curve is None else self.curve.to_goal(chosen.knobs[BATCH])
        return samples * chosen.samples_factor


def modelled_capability(
    board: Board, works: Sequence[TrainingWork], curve: Efficiency | None
) -> Capability:
    """What the board's models say: every number of cores of every cluster at every clock.

    Beside them every operating point of the accelerators that can train.
    """
    places, columns = [], []
    for place, points in _modelled(board, works):
        places.append(place)
        columns.append(points)
    rows = list(zip(*columns, strict=True))
    return Capability(
        settings=tuple(
            Setting(
                knobs=work.knobs,
                memory_bytes=work.memory_bytes,
                samples_factor=work.samples_factor,
            )
            for work in works
        ),
        places=tuple(places),
        sample_s=tuple(tuple(point.sample_s for point in row) for row in rows),
        peak_w=tuple(tuple(point.peak_w for point in row) for row in rows),
        mean_w=tuple(tuple(point.mean_w for point in row) for row in rows),
        bytes_per_sample=tuple(work.traffic_bytes / work.batch for work in works),
        curve=curve,
        origin="modelled",
    )


def _modelled(
    board: Board, works: Sequence[TrainingWork]
) -> Iterator[tuple[Place, list[TrainingPoint]]]:
    """Every place, and what each work is there."""
    for x, cluster in enumerate(board.clusters):
        for opp, freq_hz in enumerate(cluster.freqs_hz):
            for cores in range(1, len(cluster.cores) + 1):
                place = Place(unit=cluster.name, cores=cores, freq_hz=freq_hz)
                yield place, [core_point(board, work, x, opp, cores) for work in works]
    for accelerator in board.accelerators:
        if accelerator.compute is not None and accelerator.power is not None:
            for opp, freq_hz in enumerate(accelerator.freqs_hz):
                place = Place(unit=accelerator.name, cores=0, freq_hz=freq_hz)
                yield place, [accelerator_point(accelerator, work, opp) for work in works]


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
    for index, (mean, peak) in enumerate(zip(capability.mean_w, capability.peak_w, strict=False)):
        if any(most < usual for usual, most in zip(mean, peak, strict=False)):
            yield f"peak_w[{index}] must be nowhere below mean_w (got {peak} and {mean})"
    yield from _traffic_problems(capability)
    if capability.curve is not None:
        yield from curve_problems(capability.curve)


def _setting_problems(setting: Setting, where: str) -> Iterator[str]:
    if not setting.knobs.get(BATCH, 0.0) >= 1.0:
        yield f"{where}.knobs must hold a batch of at least 1 (got {setting.knobs})"
    if not all(abs(value) <= MOST for value in setting.knobs.values()):
        yield f"{where}.knobs must be finite, {MOST:g} at most (got {setting.knobs})"
    if not 0 <= setting.memory_bytes <= MOST_BYTES:
        held = setting.memory_bytes
        yield f"{where}.memory_bytes must not be negative, {MOST_BYTES} at most (got {held})"
    if not LEAST <= setting.samples_factor <= MOST:
        got = setting.samples_factor
        yield f"{where}.samples_factor must be positive and finite, {_RANGE} (got {got})"


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
            if not LEAST <= value <= MOST:
                where = f"{name}[{index}][{column}]"
                yield f"{where} must be positive and finite, {_RANGE} (got {value})"


def _traffic_problems(capability: Capability) -> Iterator[str]:
    traffic: Sequence[float] = capability.bytes_per_sample
    if len(traffic) != len(capability.settings):
        got = f"{len(traffic)} for {len(capability.settings)}"
        yield f"bytes_per_sample must have one entry a setting (got {got})"
    for index, taken in enumerate(traffic):
        if not 0.0 <= taken <= MOST_BYTES:
            at = f"bytes_per_sample[{index}]"
            yield f"{at} must be finite, not negative, {MOST_BYTES} at most (got {taken})"
