"""The power of one cluster in measurements; how wrong its model is on programs not seen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from traces.calibration.power import (
    PowerFit,
    PowerSamples,
    errors_of_held_out_groups,
    fit_power,
    intervals,
)
from traces.measurements import matrix

Vector = NDArray[np.float64]

_OWN_EVENTS = ("cycles_per_s", "instructions_per_s", "l2d_per_s")


@dataclass(frozen=True)
class PowerStudy:
    """A cluster's fit to all rows, its coefficients' 95 % intervals, its errors where held out.

    `errors` (N,) are relative, each by a fit that saw no row of that program.
    """

    cluster: int
    samples: PowerSamples
    instances: NDArray[np.int64]
    fit: PowerFit
    low: Vector
    high: Vector
    errors: Vector

    @property
    def median(self) -> float:
        """The median of the absolute errors."""
        return float(np.median(np.abs(self.errors)))

    def median_where(self, keep: NDArray[np.bool_]) -> float:
        """The same of some rows; NaN for none."""
        return float(np.median(np.abs(self.errors[keep]))) if keep.any() else float("nan")


def power_samples(
    table: pa.Table, cluster: int, sensors: Sequence[int]
) -> tuple[PowerSamples, tuple[str, ...], NDArray[np.int64]]:
    """Rows whose power, supply and temperature are known; the events' names; instances per row.

    `sensors` are the columns of ``temp_c`` whose mean is the cluster's temperature. Idle rows count
    too: they are what tells leakage and clock tree apart. An event is taken where every row has it;
    rows on other clusters are left out.
    """
    columns = [*_OWN_EVENTS, *(n for n in table.column_names if n.startswith("counter."))]
    volt_v, power_w, busy = (
        matrix(table, name)[:, cluster] for name in ("volt_v", "power_w", "busy_cores")
    )
    temp_c = matrix(table, "temp_c")[:, list(sensors)].mean(axis=1)
    on = np.isin(table["cluster"].to_numpy(), (cluster, -1))
    keep = on & np.isfinite(volt_v) & (power_w > 0) & np.isfinite(temp_c) & np.isfinite(busy)
    events = [table[name].to_numpy(zero_copy_only=False)[keep] for name in columns]
    told = [i for i, event in enumerate(events) if len(event) and np.isfinite(event).all()]
    told = [i for k, i in enumerate(told) if not any(_same(events[i], events[j]) for j in told[:k])]
    samples = PowerSamples(
        np.asarray(table["application"].to_pylist(), np.str_)[keep],
        matrix(table, "freq_hz")[keep, cluster].astype(float),
        volt_v[keep],
        temp_c[keep],
        busy[keep],
        np.stack([events[i] for i in told], axis=1) if told else np.zeros((int(keep.sum()), 0)),
        power_w[keep],
    )
    return samples, tuple(columns[i] for i in told), table["instances"].to_numpy()[keep]


def study_power(
    table: pa.Table,
    cluster: int,
    sensors: Sequence[int],
    *,
    rng: np.random.Generator,
    growth_per_k: float | None = None,
) -> PowerStudy:
    """Fit all rows, and each program's rows by a fit to all others; `growth_per_k` as there.

    Raises ValueError where no row tells the cluster's power.
    """
    samples, events, instances = power_samples(table, cluster, sensors)
    fit = fit_power(samples, events, growth_per_k=growth_per_k)
    low, high = intervals(samples, fit, rng=rng)
    errors = errors_of_held_out_groups(samples, events, growth_per_k=growth_per_k)
    return PowerStudy(cluster, samples, instances, fit, low, high, errors)


def _same(one: Vector, other: Vector) -> bool:
    """Whether two columns are one event under two names."""
    return bool(np.allclose(one, other, rtol=1e-9))
