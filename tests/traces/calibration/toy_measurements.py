"""Measurements of programs that are exactly as the models say."""

import numpy as np
import pyarrow as pa

from traces.measurements import list_array, measurement_schema

CLOCKS_HZ = np.arange(4, 19, 2) * 1e8
EXTRA = ("counter.misses_per_s",)


def measured(rng: np.random.Generator, *, programs: int = 12, counted: bool = True) -> pa.Table:
    """Programs on the second cluster, whose misses per cycle tell their stall and their power."""
    stall_s = rng.uniform(0.0, 1e-9, programs)
    cpi = rng.uniform(0.6, 1.6, programs)
    rows = [
        _row(f"program{i:02}", clock, cpi[i], stall_s[i], counted)
        for i in range(programs)
        for clock in CLOCKS_HZ
    ]
    rows += [_row("idle", clock, 1.0, 0.0, counted) | {"instances": 0} for clock in CLOCKS_HZ]
    lists = {"freq_hz", "volt_v", "power_w", "busy_cores", "core_utilisation", "temp_c"}
    schema = measurement_schema(EXTRA)
    columns = [
        list_array(np.array([row[name] for row in rows]))
        if name in lists
        else pa.array([row[name] for row in rows])
        for name in schema.names
    ]
    return pa.table(
        [column.cast(field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _row(name: str, clock: float, cpi: float, stall_s: float, counted: bool) -> dict[str, object]:
    instructions = 1.0 / (cpi / clock + stall_s)
    busy = 0.05 if name == "idle" else 1.0
    misses = busy * instructions * (stall_s / 1e-7 + 1e-4)
    volt_v = 0.9 + 0.2 * clock / 1.8e9
    power_w = volt_v**2 * (2e-10 * busy * clock + 3e-9 * misses) + 0.1 * volt_v**3
    nan = float("nan")
    return {
        "run": f"{name}-{clock:.0f}",
        "application": name,
        "repeat": 0,
        "time_s": 0.0,
        "window_s": 30.0,
        "instances": 1,
        "cluster": 1,
        "freq_hz": [1_000_000_000, int(clock)],
        "volt_v": [1.0, volt_v],
        "power_w": [0.1, power_w],
        "busy_cores": [0.0, busy],
        "core_utilisation": [0.0, 0.0, 0.0, 0.0, busy, 0.0, 0.0, 0.0],
        "temp_c": [50.0],
        "cycles_per_s": busy * clock if counted else nan,
        "instructions_per_s": busy * instructions if counted else nan,
        "l2d_per_s": nan,
        "work_per_s": nan if counted else instructions / 1e9,
        EXTRA[0]: misses if counted else nan,
    }


METADATA = {
    "board": "odroid-xu3",
    "clusters": ["little", "big"],
    "cores": [[0, 1, 2, 3], [4, 5, 6, 7]],
    "sensors": ["C4"],
    "source": [{"format": "powmon", "file": "toy.tsv", "sha256": "ab"}],
    "averaged": True,
    "power_of": "cluster rails",
}
