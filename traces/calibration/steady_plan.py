"""What a board's steady temperatures hang on: powers and heat together, as unknown factors.

Temperatures tell products only. Twice the power through half the resistance reads the same, and so
do twice the activity of all programs at half the energy per cycle. Those two scales are held: the
strongest cluster's core power at its highest point is the skeleton's, and activities are around
what is usual. All other parameters are factors on the skeleton's values, with a prior that says how
wrong a skeleton may be; what the data do not tell stays there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board, Cluster
from platforms.simulated.power import PowerModel
from traces.calibration.steady_rows import NOBODY, SteadyRows
from traces.calibration.thermal_network import Parameter, ThermalPlan, plan_of

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

LEVEL_SD, SHARED_SD, LEAKAGE_SD, FLOOR_SD = 0.5, 0.7, 0.6, 0.5
"""How wrong a skeleton's powers may be: standard deviations of the logarithm, per cluster
(assumed)."""

POINT_SD = 0.2
"""By how much one operating point may differ from its cluster (assumed, logarithm)."""

ACTIVITY_USUAL, ACTIVITY_SD = 0.7, 0.25
"""Activities of programs of which nothing is known (assumed, logarithm)."""

CONDUCTANCE_SD = 0.6
"""How wrong a skeleton's conductances may be (assumed, logarithm)."""

_HIGHEST_FLOOR = 0.97
_HOTTEST_C = 150.0
_SETTLING = 20


@dataclass(frozen=True)
class SteadyPlan:
    """The unknowns of a board's steady states, and what they predict.

    Parameters are logarithms of factors on the skeleton `board`'s values (``level.CLUSTER``,
    ``point.CLUSTER.MHZ``, ``shared.CLUSTER``, ``tree.CLUSTER.MHZ``, ``leakage.CLUSTER``,
    ``floor.CLUSTER``), of activities (``activity.PROGRAM``), and those of a `ThermalPlan`. `pinned`
    ones stay at the prior: one scale of power, and heat capacities, which no steady state tells.
    """

    board: Board
    thermal: ThermalPlan
    parameters: tuple[Parameter, ...]
    pinned: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def prior(self) -> Vector:
        """The prior's mean of every parameter."""
        return np.array([p.mean for p in self.parameters])

    @property
    def sd(self) -> Vector:
        """The prior's standard deviation of every parameter."""
        return np.array([p.sd for p in self.parameters])

    @property
    def free(self) -> NDArray[np.bool_]:
        """Which parameters are fitted."""
        return np.array([name not in self.pinned for name in self.names])

    def values(self, theta: Vector) -> dict[str, float]:
        """The parameters themselves, by name."""
        return {p.name: p.value(float(t)) for p, t in zip(self.parameters, theta, strict=True)}

    @cached_property
    def _power(self) -> PowerModel:
        return PowerModel(self.board)

    def predict(self, theta: Vector, rows: SteadyRows) -> Vector:
        """What the sensor reads (degC) in every row."""
        values = self.values(theta)
        cores_w, leak_w, shared_w = self._powers(values, rows)
        read_c = np.empty(len(rows))
        for number, cooling in enumerate(rows.coolings):
            own = rows.cooling == number
            read_c[own] = self._settled(
                theta, cooling, cores_w[own], leak_w[own], shared_w[own], rows.sensor
            )
        return read_c

    def dynamic_w(self, values: Mapping[str, float], cluster: Cluster) -> Vector:
        """Power of one core at activity 1 and each operating point, leakage left out."""
        leak = cluster.leakage_w_per_v3
        usual = [opp.core_busy_w - leak * opp.volt_v**3 for opp in cluster.opps]
        points = [values[_point("point", cluster, hz)] for hz in cluster.freqs_hz]
        level = values[f"level.{cluster.name}"]
        return np.array([level * w * point for w, point in zip(usual, points, strict=True)])

    def shared_w(self, values: Mapping[str, float], cluster: Cluster) -> Vector:
        """Power of the cluster's shared part at each operating point."""
        points = [values[_point("tree", cluster, hz)] for hz in cluster.freqs_hz]
        level, usual = values[f"shared.{cluster.name}"], [p.cluster_busy_w for p in cluster.opps]
        return np.array([level * w * point for w, point in zip(usual, points, strict=True)])

    def leakage_w_per_v3(self, values: Mapping[str, float], cluster: Cluster) -> float:
        """Leakage of a core at 1 V and the board's reference temperature."""
        return values[f"leakage.{cluster.name}"] * cluster.leakage_w_per_v3

    def floor(self, values: Mapping[str, float], cluster: Cluster) -> float:
        """What a core that only waits for memory still switches, at most 0.97."""
        return min(values[f"floor.{cluster.name}"] * cluster.activity_floor, _HIGHEST_FLOOR)

    def _powers(
        self, values: Mapping[str, float], rows: SteadyRows
    ) -> tuple[Matrix, Matrix, Vector]:
        """Power without leakage and leakage at the reference, per core; the shared parts' sum."""
        board, power = self.board, self._power
        activity = np.array([values[f"activity.{name}"] for name in rows.programs])
        busy = rows.program != NOBODY
        cores_w, leak_w = np.zeros(busy.shape), np.zeros(busy.shape)
        shared_w = np.zeros(len(rows))
        for index, cluster in enumerate(board.clusters):
            cores, opp = list(cluster.cores), rows.opp[:, index]
            here, floor = busy[:, cores], self.floor(values, cluster)
            active = floor + (1.0 - floor) * rows.busy_share[:, cores]
            active = active * activity[rows.program[:, cores]]
            at_one = self.dynamic_w(values, cluster)[opp][:, None]
            cores_w[:, cores] = np.where(here, active * at_one, power.idle_core_w(index))
            volts = np.array([point.volt_v for point in cluster.opps])
            leak = self.leakage_w_per_v3(values, cluster) * volts**3
            leak_w[:, cores] = here * leak[opp][:, None]
            awake_w = self.shared_w(values, cluster)[opp]
            shared_w += np.where(here.any(axis=1), awake_w, power.idle_shared_w(index))
        return cores_w, leak_w, shared_w

    def _settled(
        self,
        theta: Vector,
        cooling: str,
        cores_w: Matrix,
        leak_w: Matrix,
        shared_w: Vector,
        sensor: str,
    ) -> Vector:
        """The sensor at the steady state, leakage by repetition."""
        modes = self.thermal.networks(theta[None, -len(self.thermal.parameters) :], cooling)
        resistance = (modes.rise[0] / modes.rates[0]) @ modes.rise[0].T
        cores = list(self.thermal.core_nodes)
        between = resistance[np.ix_(cores, cores)]
        base_c = modes.air_c[0] + cores_w @ between
        base_c = base_c + shared_w[:, None] * resistance[self.thermal.cluster_node, cores]
        shape, temp_c = self._power.shape, base_c
        for _ in range(_SETTLING):
            leaked_w = leak_w * shape.value(np.minimum(temp_c, _HOTTEST_C))
            temp_c = base_c + leaked_w @ between
        (read,) = [s.weights for s in self.thermal.sensors if s.name == sensor]
        to_sensor = read @ resistance
        heat = (cores_w + leaked_w) @ to_sensor[cores]
        return np.asarray(
            modes.air_c[0] + heat + shared_w * to_sensor[self.thermal.cluster_node], float
        )


def steady_plan(board: Board, rows: SteadyRows, *, ambient_known: bool = False) -> SteadyPlan:
    """The plan of a skeleton and what ran on it, under the skeleton's cooling setups."""
    clusters = [(cluster.name, cluster.cores) for cluster in board.clusters]
    coolings = [board.cooling_named(name) for name in rows.coolings]
    sensors = [sensor for sensor in board.sensors if sensor.name == rows.sensor]
    thermal = plan_of(board.thermal, clusters, coolings, sensors, ambient_known=ambient_known)
    narrower = tuple(
        replace_sd(p, CONDUCTANCE_SD) if p.name.startswith("conductance") else p
        for p in thermal.parameters
    )
    strongest = board.clusters[board.clusters_by_capacity[-1]]
    pinned = {f"level.{strongest.name}", _point("point", strongest, strongest.freqs_hz[-1])}
    pinned |= {p.name for p in narrower if p.name.startswith("capacity")}
    pinned |= {p.name for p in narrower if ambient_known and not p.log}
    powers = (*_power_parameters(board.clusters), *_activities(rows.programs))
    return SteadyPlan(board, thermal, (*powers, *narrower), frozenset(pinned))


def replace_sd(parameter: Parameter, sd: float) -> Parameter:
    """The parameter with another prior width."""
    return Parameter(parameter.name, parameter.mean, sd, parameter.log)


def _power_parameters(clusters: Sequence[Cluster]) -> Iterator[Parameter]:
    for cluster in clusters:
        yield Parameter(f"level.{cluster.name}", 0.0, LEVEL_SD)
        yield Parameter(f"shared.{cluster.name}", 0.0, SHARED_SD)
        yield Parameter(f"leakage.{cluster.name}", 0.0, LEAKAGE_SD)
        yield Parameter(f"floor.{cluster.name}", 0.0, FLOOR_SD)
        for kind in ("point", "tree"):
            for hz in cluster.freqs_hz:
                yield Parameter(_point(kind, cluster, hz), 0.0, POINT_SD)


def _activities(programs: Sequence[str]) -> Iterator[Parameter]:
    for name in programs:
        yield Parameter(f"activity.{name}", float(np.log(ACTIVITY_USUAL)), ACTIVITY_SD)


def _point(kind: str, cluster: Cluster, freq_hz: int) -> str:
    return f"{kind}.{cluster.name}.{freq_hz / 1e6:g}"
