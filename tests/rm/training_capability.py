"""A capability of a small training job on the HiKey 970, for tests of who passes it on."""

from typing import Any

import msgspec

from rm.planner.capability import Capability

KNOBS = ({"batch": 16.0}, {"batch": 32.0}, {"batch": 64.0})
PLACES = (("little", 4, 1_844_000_000), ("big", 1, 1_364_000_000), ("big", 2, 2_362_000_000))
CURVE = {"batches": [16, 64], "samples": [1000.0, 2000.0]}
"""Twice the batch takes the root of two more samples."""


def capability(*, curve: dict[str, Any] | None = CURVE, settings: int = 3) -> dict[str, Any]:
    """As JSON: 1 ms a sample on the two fastest cores, 4 ms and 8 ms elsewhere."""
    knobs = [{"batch": 16.0 * 2.0 ** min(index, 9)} for index in range(settings)]
    rows = [[0.008, 0.004, 0.001] for _ in knobs]
    return {
        "settings": [{"knobs": one, "memory_bytes": 50_000_000} for one in knobs],
        "places": [
            {"unit": unit, "cores": cores, "freq_hz": freq_hz} for unit, cores, freq_hz in PLACES
        ],
        "sample_s": rows,
        "peak_w": [[1.0, 1.5, 4.0] for _ in knobs],
        "mean_w": [[0.8, 1.2, 3.0] for _ in knobs],
        "bytes_per_sample": [1e6 for _ in knobs],
        "curve": curve,
        "origin": "modelled",
    }


def typed_capability() -> Capability:
    """The same, typed."""
    return msgspec.convert(capability(), Capability)
