"""The decision times of policies over many episodes, as multiples of a reference; their own file.

Wall times differ from run to run, so they stay out of the result files, which do not.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from platforms.atomic_file import replacing
from rm.evaluation.stopwatch import DecisionTimes

FILE_NAME = "timings.json"
TIMINGS_SCHEMA = 1

REFERENCE = (
    "Reference: the median of a numpy forward pass through a network of 21 inputs, 4 x 64 and 8 "
    "outputs with 8 rows (float32), taken after every migration decision in the same process."
)


class PolicyTimes(Struct, frozen=True, kw_only=True):
    """A policy's decision times: medians over its episodes of their medians and 99th percentiles.

    In milliseconds, and as multiples of the reference's median (`_ratio`). `migrate` is asked once
    a migration period, `scale` once a DVFS period.
    """

    policy: str
    episodes: int
    migrate_median_ms: float
    migrate_p99_ms: float
    scale_median_ms: float
    scale_p99_ms: float
    reference_median_ms: float
    migrate_median_ratio: float
    migrate_p99_ratio: float
    scale_median_ratio: float
    scale_p99_ratio: float


def policy_times(times: Sequence[DecisionTimes]) -> tuple[PolicyTimes, ...]:
    """One row per policy, in the order in which they first occur."""
    return tuple(
        _times([item for item in times if item.policy == policy])
        for policy in dict.fromkeys(item.policy for item in times)
    )


def _times(episodes: Sequence[DecisionTimes]) -> PolicyTimes:
    names = ("migrate_median", "migrate_p99", "scale_median", "scale_p99")
    reference_s = statistics.median(item.reference_median_s for item in episodes)
    median_s = {n: statistics.median(getattr(item, f"{n}_s") for item in episodes) for n in names}
    return PolicyTimes(
        policy=episodes[0].policy,
        episodes=len(episodes),
        reference_median_ms=1e3 * reference_s,
        **{f"{name}_ms": 1e3 * value for name, value in median_s.items()},
        **{
            f"{name}_ratio": value / reference_s if reference_s else 0.0
            for name, value in median_s.items()
        },
    )


def write_timings(folder: Path, times: Sequence[PolicyTimes]) -> None:
    """Write them into `folder`."""
    document = {"schema": TIMINGS_SCHEMA, "reference": REFERENCE, "policies": times}
    with replacing(folder / FILE_NAME) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
