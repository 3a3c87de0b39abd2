"""Measurements and recorded traces as the thermal fit takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from traces.calibration.thermal_data import ThermalData, ThermalRun, split_rails
from traces.measurements import matrix
from traces.schema import MeasurementMetadata

Matrix = NDArray[np.float64]

SHARED_RATIO = 0.2
"""A cluster's shared part in terms of what one busy core takes, where nobody measured it (assumed:
the HiKey 970's table says 0.20 for its A73 at the top)."""

_MOST_GAP_S = 0.01


def measured_data(
    table: pa.Table,
    metadata: MeasurementMetadata,
    *,
    cooling: str,
    busy_cores: Sequence[int] = (),
    sensors: Mapping[str, str] | None = None,
    shared_ratio: float = SHARED_RATIO,
    as_one: bool = False,
) -> ThermalData:
    """The runs of a table of measurements with power on the clusters' rails.

    All runs get the one `cooling`. Rows that are means of whole runs become steady states, one run
    an application, or (`as_one`) all one run in the order in which they were taken, for a fan that
    remembers. `busy_cores` are those that the programs ran on where the rows do not say
    (none: all cores of the row's cluster alike). `sensors` gives the sensors to take, and the names
    that they shall have. Clusters without a power sensor count as cold. Raises InvalidInput where
    there is no power, or it is missing in some rows.
    """
    if metadata.power_of != "cluster rails":
        raise InvalidInput(
            f"power_of must be 'cluster rails' for a thermal fit (got {metadata.power_of!r}); "
            "model the power, and give it with its leakage"
        )
    taken = sensors or {name: name for name in metadata.sensors}
    columns = [metadata.sensors.index(name) for name in taken]
    temp_c = matrix(table, "temp_c")[:, columns]
    power_w = _power(matrix(table, "power_w"), metadata)
    used = _utilisation(table, metadata, busy_cores)
    core_w, shared_w = split_rails(power_w, used, _positions(metadata), shared_ratio=shared_ratio)
    order = np.argsort([core for cores in metadata.cores for core in cores])
    core_w = core_w[:, order]
    key = "application" if metadata.averaged else "run"
    runs = tuple(
        ThermalRun(
            name,
            table["application"][int(rows[0])].as_py(),
            cooling,
            _steps(table, rows),
            core_w[rows],
            shared_w[rows],
            temp_c[rows],
            averaged=metadata.averaged,
            settled=metadata.averaged,
        )
        for name, rows in _groups(["rows"] * len(table) if as_one else table[key].to_pylist())
    )
    return ThermalData(tuple(taken.values()), runs)


def merged(parts: Sequence[ThermalData]) -> ThermalData:
    """Data of several sources as one; sensors of the same name are the same sensor."""
    names = list(dict.fromkeys(name for part in parts for name in part.sensors))
    runs = []
    for part in parts:
        for run in part.runs:
            temp_c = np.full((len(run.step_s), len(names)), np.nan)
            temp_c[:, [names.index(name) for name in part.sensors]] = run.temp_c
            runs.append(replace(run, temp_c=temp_c))
    return ThermalData(tuple(names), tuple(runs))


def _positions(metadata: MeasurementMetadata) -> list[range]:
    """The columns of each cluster's cores in the lists over cores."""
    ends = np.cumsum([len(cores) for cores in metadata.cores]).tolist()
    return [range(end - len(own), end) for end, own in zip(ends, metadata.cores, strict=True)]


def _power(power_w: Matrix, metadata: MeasurementMetadata) -> Matrix:
    for index, name in enumerate(metadata.clusters):
        known = np.isfinite(power_w[:, index])
        if known.any() and not known.all():
            row = int(np.argmin(known))
            raise InvalidInput(f"power_w of {name} must be in every row or in none (row {row})")
    if np.isnan(power_w).all():
        raise InvalidInput("power_w must be known for one cluster at least (got none)")
    return np.nan_to_num(power_w)


def _utilisation(
    table: pa.Table, metadata: MeasurementMetadata, busy_cores: Sequence[int]
) -> Matrix:
    """The share of time that each core was busy, as the lists over cores are laid out."""
    used = matrix(table, "core_utilisation").copy()
    cores = [core for own in metadata.cores for core in own]
    tested = table["cluster"].to_numpy()
    for index, columns in enumerate(_positions(metadata)):
        unknown = np.isnan(used[:, columns]).any(axis=1)
        named = [column for column in columns if cores[column] in busy_cores]
        runs_here = (tested == index) | (tested < 0)
        guess = np.zeros(len(columns))
        guess[[column - columns[0] for column in named or columns]] = 1.0
        used[np.ix_(unknown, list(columns))] = runs_here[unknown, None] * guess
    return used


def _steps(table: pa.Table, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """How long each row lasts; a gap before a row counts to it."""
    time_s = table["time_s"].to_numpy()[rows]
    window_s = table["window_s"].to_numpy()[rows]
    gaps = np.diff(time_s + window_s, prepend=time_s[0])
    steps: NDArray[np.float64] = np.where(gaps > window_s + _MOST_GAP_S, gaps, window_s)
    return np.maximum(steps, 1e-3)


def _groups(keys: Sequence[str]) -> list[tuple[str, NDArray[np.int64]]]:
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return [(key, np.array(own)) for key, own in rows.items()]
