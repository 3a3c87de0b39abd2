"""The recorder's traces as the thermal fit takes them: steady states under modelled power.

A trace tells which program ran on which core at which operating points, and how fast; not what
power that took. The board's own power model says it, so its values have to be fitted first.
Leakage follows the temperature that the fit predicts.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.simulated.power import PowerModel, busy_activity
from traces.calibration.thermal_data import ThermalData, ThermalRun
from traces.schema import TraceMetadata


def recorded_data(
    table: pa.Table,
    metadata: TraceMetadata,
    board: Board,
    profiles: Mapping[str, ApplicationProfile],
) -> ThermalData:
    """The rows that were not throttled, as steady states, one run a program of interest.

    Fit with ``LeakageShape.build(board.leakage)``. Raises InvalidInput for a program that has no
    profile, and where all rows were throttled.
    """
    rows = [row for row in table.to_pylist() if not row["throttled"]]
    if not rows:
        raise InvalidInput("traces must hold runs that were not throttled (got none)")
    power = PowerModel(board)
    by_program: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_program.setdefault(row["application"], []).append(row)
    runs = tuple(
        _run(name, own, metadata.cooling, board, power, profiles)
        for name, own in by_program.items()
    )
    return ThermalData((metadata.sensor,), runs)


def _run(
    name: str,
    rows: list[dict[str, Any]],
    cooling: str,
    board: Board,
    power: PowerModel,
    profiles: Mapping[str, ApplicationProfile],
) -> ThermalRun:
    loads = [power.load(row["opp_index"], _activity(row, board, profiles)) for row in rows]
    dynamic_w = np.array([load.dynamic_w for load in loads])
    return ThermalRun(
        name,
        name,
        cooling,
        np.array([row["window_s"] for row in rows]),
        dynamic_w[:, power.core_nodes],
        dynamic_w[:, power.cluster_node],
        np.array([[row["temp_c"]] for row in rows]),
        leakage_w=np.array([load.leakage_w for load in loads]),
        averaged=True,
        settled=True,
    )


def _activity(
    row: dict[str, Any], board: Board, profiles: Mapping[str, ApplicationProfile]
) -> list[float | None]:
    """The activity of every core (None: idle), of how fast its program ran."""
    activity: list[float | None] = [None] * board.core_count
    names = [row["application"], *row["background"]]
    cores = [row["application_core"], *row["background_cores"]]
    rates = [row["rate_ips"], *row["background_rate_ips"]]
    for name, core, rate_ips in zip(names, cores, rates, strict=True):
        profile = profiles.get(name)
        if profile is None:
            raise InvalidInput(
                f"application must have a profile, one of {sorted(profiles)} (got {name!r})"
            )
        index = board.cluster_of_core[core]
        cluster = board.clusters[index]
        computing = profile.on(cluster).cpi * rate_ips / row["freq_hz"][index]
        activity[core] = busy_activity(cluster, profile.activity, min(computing, 1.0))
    return activity
