"""Steady states as the recorder wrote them: what ran where, how fast, and what one sensor read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.errors import InvalidInput
from traces.schema import TraceMetadata

Vector = NDArray[np.float64]
Index = NDArray[np.int64]

NOBODY = -1
"""The program of an idle core."""


@dataclass(frozen=True)
class SteadyRows:
    """Runs that settled: N rows, C cores, K clusters.

    `program` (N, C) indexes `programs` (`NOBODY`: idle), `busy_share` (N, C) is the share of its
    time that a core does not stall, `opp` (N, K) indexes operating points, `cooling` (N,) indexes
    `coolings`, `temp_c` (N,) is what the sensor `sensor` read, `scenario` (N,) numbers the
    recorder's scenarios: rows of one have the same programs in the background.
    """

    programs: tuple[str, ...]
    coolings: tuple[str, ...]
    sensor: str
    program: Index
    busy_share: Vector
    opp: Index
    cooling: Index
    temp_c: Vector
    scenario: Index

    def __len__(self) -> int:
        return len(self.temp_c)

    def where(self, chosen: NDArray[np.bool_]) -> "SteadyRows":
        """The rows that are `chosen`."""
        return SteadyRows(
            self.programs,
            self.coolings,
            self.sensor,
            self.program[chosen],
            self.busy_share[chosen],
            self.opp[chosen],
            self.cooling[chosen],
            self.temp_c[chosen],
            self.scenario[chosen],
        )


def steady_rows(
    recorded: Sequence[tuple[pa.Table, TraceMetadata]],
    board: Board,
    profiles: Mapping[str, ApplicationProfile],
) -> SteadyRows:
    """The rows of recordings that were not throttled; metadata name the cooling of each.

    How busy a core is follows from its program's speed and `profiles`. Raises InvalidInput for a
    program without a profile, for recordings of different sensors, and where no row is left.
    """
    sensors = {metadata.sensor for _, metadata in recorded}
    if len(sensors) != 1:
        raise InvalidInput(f"MEASUREMENTS must be read by one sensor (got {sorted(sensors)})")
    coolings = tuple(dict.fromkeys(metadata.cooling for _, metadata in recorded))
    names: dict[str, int] = {}
    rows, cooling, scenario = [], [], []
    for number, (table, metadata) in enumerate(recorded):
        for row in table.to_pylist():
            if not row["throttled"]:
                rows.append(_cores(row, board, profiles, names))
                cooling.append(coolings.index(metadata.cooling))
                scenario.append((number, row["scenario"]))
    if not rows:
        raise InvalidInput("traces must hold runs that were not throttled (got none)")
    numbers = {key: i for i, key in enumerate(dict.fromkeys(scenario))}
    program, busy_share, opp, temp_c = zip(*rows, strict=True)
    return SteadyRows(
        tuple(names),
        coolings,
        sensors.pop(),
        np.array(program),
        np.array(busy_share),
        np.array(opp),
        np.array(cooling),
        np.array(temp_c),
        np.array([numbers[key] for key in scenario]),
    )


def _cores(
    row: dict[str, Any],
    board: Board,
    profiles: Mapping[str, ApplicationProfile],
    names: dict[str, int],
) -> tuple[list[int], list[float], list[int], float]:
    program, busy_share = [NOBODY] * board.core_count, [0.0] * board.core_count
    running = zip(
        [row["application"], *row["background"]],
        [row["application_core"], *row["background_cores"]],
        [row["rate_ips"], *row["background_rate_ips"]],
        strict=True,
    )
    for name, core, rate_ips in running:
        if name not in profiles:
            raise InvalidInput(
                f"application must have a profile, one of {', '.join(sorted(profiles))} "
                f"(got {name!r})"
            )
        index = board.cluster_of_core[core]
        cycle_s = 1.0 / row["freq_hz"][index]
        computing = profiles[name].on(board.clusters[index]).cpi * rate_ips * cycle_s
        program[core] = names.setdefault(name, len(names))
        busy_share[core] = min(computing, 1.0)
    return program, busy_share, row["opp_index"], row["temp_c"]
