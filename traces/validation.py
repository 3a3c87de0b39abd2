"""A board file's power and speed beside benchmarks of other chips with the same kinds of cores.

freqbench runs CoreMark on one thread at every clock and reads the whole device's power with its
idle power taken off. That is to be compared with one busy core plus its cluster's shared part.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from platforms.application import ApplicationProfile
from platforms.board import Board, Cluster
from platforms.errors import InvalidInput
from traces.measurements import matrix
from traces.schema import MeasurementMetadata

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredCluster:
    """What was measured on one cluster of another chip, lowest clock first.

    `power_w` (N,) is of one busy core, `work_per_s` (N,) its speed in the benchmark's own unit.
    """

    chip: str
    freq_hz: Vector
    power_w: Vector
    work_per_s: Vector

    @property
    def per_mhz(self) -> float:
        """The median of work per second and MHz."""
        return float(np.median(self.work_per_s / (self.freq_hz / 1e6)))

    def power_at(self, freq_hz: float) -> float:
        """The power at a clock, between those that were measured; NaN beyond them."""
        if not self.freq_hz[0] <= freq_hz <= self.freq_hz[-1]:
            return float("nan")
        return float(np.interp(freq_hz, self.freq_hz, self.power_w))


@dataclass(frozen=True)
class PowerPoint:
    """One operating point: the board's busy core with the shared part, and what others measured.

    `core_w` is the board's core alone. `measured_w` has one value per chip, NaN where its clocks do
    not reach there.
    """

    freq_hz: int
    board_w: float
    core_w: float
    measured_w: tuple[float, ...]

    @property
    def differences(self) -> tuple[float, ...]:
        """The board relative to each chip, minus 1."""
        return tuple(self.board_w / one - 1.0 for one in self.measured_w)


@dataclass(frozen=True)
class ClusterValidation:
    """A cluster of the board beside the chips' clusters, in the order of `Validation.chips`."""

    name: str
    core_type: str
    measured: tuple[MeasuredCluster, ...]
    points: tuple[PowerPoint, ...]

    def median_difference(self, chip: int) -> float:
        """The median over the operating points that a chip's clocks reach; NaN for none."""
        every = np.array([point.differences[chip] for point in self.points])
        every = every[np.isfinite(every)]
        return float(np.median(every)) if len(every) else float("nan")


@dataclass(frozen=True)
class Validation:
    """A board beside other chips.

    `per_mhz_ratio` is for every chip how much faster than the weakest cluster the strongest is at
    the same clock; `profile_ratios` are those of the applications' profiles without stalls, lowest
    first, `capacity_ratio` that of the board's capacities (None where it has none).
    """

    board: Board
    chips: tuple[str, ...]
    clusters: tuple[ClusterValidation, ...]
    per_mhz_ratio: tuple[float, ...]
    profile_ratios: Vector
    capacity_ratio: float | None


def validate(
    board: Board,
    files: Sequence[tuple[pa.Table, MeasurementMetadata]],
    match: Mapping[str, str],
    profiles: Sequence[ApplicationProfile],
) -> Validation:
    """Compare; `match` says which cluster of the files a cluster of the board is compared with.

    Raises InvalidInput where a file lacks a cluster, or has no power or speed for it.
    """
    chips = tuple(metadata.board for _, metadata in files)
    clusters = tuple(
        _cluster(
            cluster,
            [_measured(*file, match[cluster.name]) for file in files],
        )
        for cluster in board.clusters
        if cluster.name in match
    )
    if not clusters:
        raise InvalidInput(f"--match must name a cluster of {board.name} (got none)")
    ranks = [board.clusters[i].name for i in board.clusters_by_capacity]
    ends = [next(c for c in clusters if c.name == n) for n in ranks if n in match]
    weak, strong = ends[0], ends[-1]
    ratios = tuple(
        b.per_mhz / a.per_mhz for a, b in zip(weak.measured, strong.measured, strict=True)
    )
    of_board = {cluster.name: cluster for cluster in board.clusters}
    pair = of_board[weak.name], of_board[strong.name]
    return Validation(
        board, chips, clusters, ratios, _profile_ratios(pair, profiles), _capacity_ratio(pair)
    )


def _measured(table: pa.Table, metadata: MeasurementMetadata, name: str) -> MeasuredCluster:
    if name not in metadata.clusters:
        raise InvalidInput(
            f"--match must name clusters of {metadata.board}, {', '.join(metadata.clusters)} "
            f"(got {name!r})"
        )
    index = metadata.clusters.index(name)
    power_w = matrix(table, "power_w")[:, index]
    work = table["work_per_s"].to_numpy()
    own = (table["cluster"].to_numpy() == index) & np.isfinite(power_w) & np.isfinite(work)
    freq_hz = matrix(table, "freq_hz")[:, index].astype(float)
    if not own.any():
        raise InvalidInput(
            f"{metadata.board}: must have power and work per second of {name} (got neither)"
        )
    order = np.flatnonzero(own)[np.argsort(freq_hz[own], kind="stable")]
    return MeasuredCluster(metadata.board, freq_hz[order], power_w[order], work[order])


def _cluster(cluster: Cluster, measured: Sequence[MeasuredCluster]) -> ClusterValidation:
    points = tuple(
        PowerPoint(
            opp.freq_hz,
            opp.core_busy_w + opp.cluster_busy_w,
            opp.core_busy_w,
            tuple(one.power_at(opp.freq_hz) for one in measured),
        )
        for opp in cluster.opps
    )
    return ClusterValidation(cluster.name, cluster.core_type, tuple(measured), points)


def _profile_ratios(
    pair: tuple[Cluster, Cluster], profiles: Sequence[ApplicationProfile]
) -> Vector:
    weak, strong = pair
    return np.sort([one.on(weak).cpi / one.on(strong).cpi for one in profiles])


def _capacity_ratio(pair: tuple[Cluster, Cluster]) -> float | None:
    tops = [cluster.opps[0] for cluster in pair]
    if tops[0].capacity is None or tops[1].capacity is None:
        return None
    weak, strong = (opp.capacity / opp.freq_hz for opp in tops if opp.capacity)
    return strong / weak
