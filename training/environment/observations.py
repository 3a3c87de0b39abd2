"""What an agent sees: a vector of numbers from 0 to 1, made of one `Observation` and nothing else.

The table (`table`) says of every number what it stands for, in which unit and in which range; a
value outside its range is cut. First come the board's own numbers, then one block per slot, all
zeros where the slot is empty.
"""

import numpy as np
from numpy.typing import NDArray

from npu_runtime.policy_file import Feature
from platforms.board import RUNAWAY_C, Board
from platforms.platform import ApplicationReading, Observation
from training.environment.slots import Slotted

COLDEST_C = -40.0
"""The low end of a temperature's range: the coldest air that boards are built for (assumed)."""

HIGHEST_RATE_RATIO = 2.0
"""A rate is cut at this multiple of its target: how far above it lies no longer matters."""

HIGHEST_IPC = 3.0
"""A target is cut at this many instructions per cycle of the board's fastest clock (assumed: the
shipped applications need less on all shipped boards)."""

HIGHEST_L2D_PER_INSTRUCTION = 0.2
"""L2 accesses per instruction are cut here (assumed: the shipped applications have less)."""

OLDEST_READING = 2.0
"""A sensor's age is cut at this multiple of its period: it is late, or stuck."""

Vector = NDArray[np.float32]
_Row = tuple[str, str, float, float]


def table(board: Board, slots: int) -> tuple[Feature, ...]:
    """Index, name, unit and range of every number that the agent sees."""
    rows = [*board_rows(board, slots)]
    for slot in range(slots):
        rows += [
            (f"app{slot}_{name}", unit, low, high) for name, unit, low, high in slot_rows(board)
        ]
    return tuple(Feature(index, *row) for index, row in enumerate(rows))


def board_rows(board: Board, slots: int) -> list[_Row]:
    """Name, unit, low and high of the numbers that every observation has once."""
    clusters = [(cluster.name, float(cluster.freqs_hz[-1])) for cluster in board.clusters]
    rows: list[_Row] = [(f"freq_hz_{name}", "Hz", 0.0, top_hz) for name, top_hz in clusters]
    rows += [(f"freq_cap_hz_{name}", "Hz", 0.0, top_hz) for name, top_hz in clusters]
    rows += [(f"utilisation_{core}", "1", 0.0, 1.0) for core in board.core_names]
    for sensor in board.sensors:
        rows.append((f"temp_c_{sensor.name}", "degC", COLDEST_C, RUNAWAY_C))
        rows.append((f"age_s_{sensor.name}", "s", 0.0, OLDEST_READING * sensor.period_s))
    return [*rows, ("waiting_applications", "applications", 0.0, float(slots))]


def slot_rows(board: Board) -> list[_Row]:
    """Name, unit, low and high of the numbers of one slot."""
    top_hz = max(cluster.freqs_hz[-1] for cluster in board.clusters)
    return [
        ("present", "0 or 1", 0.0, 1.0),
        ("rate_per_target", "1", 0.0, HIGHEST_RATE_RATIO),
        ("target_ips", "instructions/s", 0.0, HIGHEST_IPC * top_hz),
        ("l2d_per_instruction", "accesses/instruction", 0.0, HIGHEST_L2D_PER_INSTRUCTION),
        ("threads", "threads", 0.0, float(board.core_count)),
        *((f"on_{core}", "0 or 1", 0.0, 1.0) for core in board.core_names),
    ]


class Encoder:
    """Turns observations of one board into vectors of equal length."""

    def __init__(self, board: Board, slots: int) -> None:
        """`features` is the table that the vectors follow."""
        self.features = table(board, slots)
        self._board = board
        self._empty = [0.0] * len(slot_rows(board))
        self._low = np.array([feature.low for feature in self.features])
        self._high = np.array([feature.high for feature in self.features])
        self._range = self._high - self._low

    def readings(self, observation: Observation, slotted: Slotted) -> list[float]:
        """The numbers in the table's units, not cut."""
        board = self._board
        numbers: list[float] = [*board.freqs_hz_at(observation.opp_index)]
        numbers += board.freqs_hz_at(observation.opp_cap)
        numbers += observation.core_utilisation
        shown = {reading.sensor: reading for reading in observation.temperatures}
        for sensor in board.sensors:
            numbers += (shown[sensor.name].temp_c, shown[sensor.name].age_s)
        seated = sum(app is not None for app in slotted)
        numbers.append(len(observation.applications) - seated)
        for app in slotted:
            numbers += self._empty if app is None else self._block(app)
        return numbers

    def encode(self, observation: Observation, slotted: Slotted) -> Vector:
        """The vector: ``(reading - low) / (high - low)`` of every reading, cut at low and high."""
        cut = np.clip(self.readings(observation, slotted), self._low, self._high)
        scaled: Vector = ((cut - self._low) / self._range).astype(np.float32)
        return scaled

    def _block(self, app: ApplicationReading) -> list[float]:
        on_core = [0.0] * self._board.core_count
        for core in app.cores:
            on_core[core] = 1.0
        l2d = app.l2d_per_s / app.rate_ips if app.rate_ips > 0.0 else 0.0
        return [1.0, app.rate_ips / app.target_ips, app.target_ips, l2d, app.threads, *on_core]
