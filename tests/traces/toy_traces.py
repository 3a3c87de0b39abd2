"""Traces of a board with two clusters and two cores, small enough to be read here."""

from typing import Any

import pyarrow as pa

from traces.store import arrow_schema

METADATA = {
    "board": "toy",
    "board_sha256": "ab",
    "cooling": "fan",
    "sensor": "soc",
    "opps_hz": [[500_000_000, 1_000_000_000], [700_000_000]],
    "seed": 1,
    "plan_sha256": "cd",
}
ROW = {
    "scenario": 0,
    "application": "adi",
    "application_core": 1,
    "background": ["syr2k"],
    "background_cores": [0],
    "opp_index": [1, 0],
    "freq_hz": [1_000_000_000, 700_000_000],
    "rate_ips": 1e9,
    "l2d_per_s": 1e7,
    "background_rate_ips": [5e8],
    "core_utilisation": [1.0, 1.0],
    "temp_c": 41.5,
    "temp_samples": 100,
    "window_s": 5.0,
    "throttled": False,
}


def traces(*changes: dict[str, Any]) -> pa.Table:
    """A table of traces with one row per change made to `ROW`."""
    return pa.Table.from_pylist([ROW | change for change in changes], arrow_schema("traces"))
