"""A thermal network with unknown parameters: which parameter each conductance and capacity is.

The parameters are logarithms of conductances (W/K) and capacities (J/K), and temperatures of the
air (degC). Whatever their values, the network is one of positive resistances and capacities: its
poles are real and negative.

Cores at like places share a parameter: those of a cluster with as many neighbours (the inner ones
of a row have two, the outer ones one).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from platforms.board import CoolingSetup, Sensor, Thermal

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

PRIOR_LOG_SD = 1.1
"""The prior of a conductance or a capacity: a factor of 3 (one standard deviation; assumed)."""

PRIOR_AMBIENT_SD_K = 15.0
"""The prior of the air's temperature where it was not recorded (standard deviation; assumed)."""

KNOWN_SD = 1e-6
"""The prior of what is known."""

LAG_CAPACITY_J_PER_K = 1e-7
"""A sensor that lags is a lump of this capacity behind its node: too small to draw heat."""


@dataclass(frozen=True)
class Parameter:
    """An unknown: its name, the mean and standard deviation of its prior.

    `log` parameters are positive; their mean is that of the logarithm, as is the deviation.
    """

    name: str
    mean: float
    sd: float
    log: bool = True

    def value(self, theta: float) -> float:
        """The parameter itself, of the number that the fit works with."""
        return float(np.exp(theta)) if self.log else float(theta)


@dataclass(frozen=True)
class SensorModel:
    """A sensor as the fit sees it: weights over the nodes, step (0: continuous) and offset."""

    name: str
    weights: Vector
    step_k: float
    offset_c: float


@dataclass(frozen=True)
class ThermalPlan:
    """A network with unknown parameters.

    `capacity` names the parameter of every node, `links` those of the links between nodes (by
    index), `ambient` and `air` those of every cooling setup. `lag` names, for the sensors that lag,
    the time constant's parameter; `shift` for cooling setups whose power was told late, by how
    long; `level` for sensors that read too high or too low, by how much.
    """

    nodes: tuple[str, ...]
    capacity: tuple[str, ...]
    links: tuple[tuple[int, int, str], ...]
    ambient_node: int
    cluster_node: int
    core_nodes: tuple[int, ...]
    sensors: tuple[SensorModel, ...]
    ambient: dict[str, str]
    air: dict[str, str]
    parameters: tuple[Parameter, ...]
    lag: dict[str, str] = field(default_factory=dict)
    shift: dict[str, str] = field(default_factory=dict)
    level: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters' names, in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def prior(self) -> Vector:
        """The prior's mean of every parameter."""
        return np.array([p.mean for p in self.parameters])

    def networks(self, thetas: Matrix, cooling: str) -> "Modes":
        """The networks of many parameter vectors (rows of `thetas`) under one cooling setup."""
        index = {name: i for i, name in enumerate(self.names)}
        lagging = [s for s in self.sensors if s.name in self.lag]
        count, size = len(self.nodes), len(self.nodes) + len(lagging)
        conductance = np.zeros((len(thetas), size, size))
        capacity = np.full((len(thetas), size), LAG_CAPACITY_J_PER_K)
        for node, name in enumerate(self.capacity):
            capacity[:, node] = np.exp(thetas[:, index[name]])
        for a, b, name in self.links:
            _link(conductance, a, b, np.exp(thetas[:, index[name]]))
        outward = np.exp(thetas[:, index[self.ambient[cooling]]])
        conductance[:, self.ambient_node, self.ambient_node] += outward
        reads = np.zeros((len(self.sensors), size))
        for i, sensor in enumerate(self.sensors):
            reads[i, :count] = sensor.weights
        for behind, sensor in enumerate(lagging, start=count):
            tau_s = np.exp(thetas[:, index[self.lag[sensor.name]]])
            for i, weight in enumerate(sensor.weights):
                if weight > 0:
                    _link(conductance, i, behind, LAG_CAPACITY_J_PER_K * weight / tau_s)
            reads[self.sensors.index(sensor)] = np.eye(size)[behind]
        return _decoupled(conductance, capacity, reads, thetas[:, index[self.air[cooling]]])


def _link(conductance: Matrix, a: int, b: int, value: Vector) -> None:
    for node in (a, b):
        conductance[:, node, node] += value
    conductance[:, a, b] -= value
    conductance[:, b, a] -= value


@dataclass(frozen=True)
class Modes:
    """Many networks in their eigenbases; the first axis of every array is the network.

    `rates` (1/s) of the modes, `rise` the nodes' rise per unit of each mode, `reads` what the
    sensors show of each mode, `air_c` the air's temperature, `conductance` the matrices G.
    """

    rates: Matrix
    rise: Matrix
    reads: Matrix
    root_capacity: Matrix
    conductance: Matrix
    air_c: Vector

    def of_field(self, rise_k: Matrix) -> Matrix:
        """The modes of fields of rises over the air (networks x nodes)."""
        amplitudes: Matrix = np.einsum(
            "pnm,pn->pm", self.rise, self.root_capacity**2 * rise_k, optimize=True
        )
        return amplitudes


def _decoupled(conductance: Matrix, capacity: Matrix, reads: Matrix, air_c: Vector) -> Modes:
    root = np.sqrt(capacity)
    rates, vectors = np.linalg.eigh(conductance / root[:, :, None] / root[:, None, :])
    rise = vectors / root[:, :, None]
    return Modes(np.maximum(rates, 1e-9), rise, reads @ rise, root, conductance, air_c)


def plan_of(
    thermal: Thermal,
    clusters: Sequence[tuple[str, Sequence[int]]],
    cooling: Iterable[CoolingSetup],
    sensors: Sequence[Sensor],
    *,
    ambient_known: bool = False,
) -> ThermalPlan:
    """The plan of a board's skeleton: its values are the prior, like places share a parameter.

    `clusters` are names and cores. With `ambient_known` the setups' air temperatures are taken as
    recorded, else they are unknown: then what the fit calls air holds the constant heat of the rest
    of the board as well.
    """
    nodes = tuple(node.name for node in thermal.nodes)
    index = {name: i for i, name in enumerate(nodes)}
    place = _places(thermal, clusters)
    means: dict[str, list[float]] = {}

    def named(name: str, value: float) -> str:
        means.setdefault(name, []).append(np.log(value))
        return name

    capacity = tuple(
        named(f"capacity.{place.get(n.name, (n.name,))[0]}", n.capacity_j_per_k)
        for n in thermal.nodes
    )
    links = tuple(
        (
            index[link.between[0]],
            index[link.between[1]],
            named(_link_name(link.between, place), link.conductance_w_per_k),
        )
        for link in thermal.links
    )
    setups = tuple(cooling)
    ambient = {
        s.name: named(f"conductance.ambient.{s.name}", s.conductance_w_per_k) for s in setups
    }
    spread = KNOWN_SD if ambient_known else PRIOR_AMBIENT_SD_K
    air = [Parameter(f"air.{s.name}", s.ambient_c, spread, log=False) for s in setups]
    logs = [Parameter(name, float(np.mean(v)), PRIOR_LOG_SD) for name, v in means.items()]
    core_nodes = sorted((n.core, i) for i, n in enumerate(thermal.nodes) if n.core is not None)
    return ThermalPlan(
        nodes,
        capacity,
        links,
        index[thermal.ambient_node],
        index[thermal.cluster_node],
        tuple(i for _, i in core_nodes),
        tuple(_sensor_model(s, nodes) for s in sensors),
        ambient,
        {s.name: f"air.{s.name}" for s in setups},
        (*logs, *air),
    )


LEVEL_SD_K = 2.0
"""The prior of by how much a sensor reads too high (standard deviation; assumed)."""

SHIFT_SD_S = 0.5
"""The prior of by how much power is told late (standard deviation; assumed)."""

LAG_S = 0.5
"""The prior of a sensor's time constant (assumed), as wide as that of a capacity."""


def with_levels(plan: ThermalPlan, sensors: Iterable[str]) -> ThermalPlan:
    """The same plan, where `sensors` may read too high or too low by a constant.

    Leave one sensor out, or the air's temperature known: levels and air are told apart only so.
    """
    names = {sensor: f"level.{sensor}" for sensor in sensors}
    added = [Parameter(name, 0.0, LEVEL_SD_K, log=False) for name in names.values()]
    return replace(plan, level=names, parameters=(*plan.parameters, *added))


def with_shifts(plan: ThermalPlan, coolings: Iterable[str]) -> ThermalPlan:
    """The same plan, where power under `coolings` is told late, or early, by up to a step."""
    names = {cooling: f"shift.{cooling}" for cooling in coolings}
    added = [Parameter(name, 0.0, SHIFT_SD_S, log=False) for name in names.values()]
    return replace(plan, shift=names, parameters=(*plan.parameters, *added))


def with_lags(plan: ThermalPlan, sensors: Iterable[str]) -> ThermalPlan:
    """The same plan, where `sensors` follow their place with a time constant of their own."""
    names = {sensor: f"lag.{sensor}" for sensor in sensors}
    added = [Parameter(name, float(np.log(LAG_S)), PRIOR_LOG_SD) for name in names.values()]
    return replace(plan, lag=names, parameters=(*plan.parameters, *added))


def _sensor_model(sensor: Sensor, nodes: Sequence[str]) -> SensorModel:
    weights = np.array([sensor.weights.get(name, 0.0) for name in nodes])
    return SensorModel(sensor.name, weights, sensor.step_k, sensor.offset_c)


def _places(
    thermal: Thermal, clusters: Sequence[tuple[str, Sequence[int]]]
) -> dict[str, tuple[str, str]]:
    """For every core's node the cluster, and where in it the core is."""
    of_core = {core: name for name, cores in clusters for core in cores}
    cored = {n.name: of_core[n.core] for n in thermal.nodes if n.core is not None}
    beside = Counter(
        node for link in thermal.links if set(link.between) <= set(cored) for node in link.between
    )
    return {
        node: (cluster, "inner" if beside[node] > 1 else "outer") for node, cluster in cored.items()
    }


def _link_name(between: tuple[str, str], place: dict[str, tuple[str, str]]) -> str:
    cored = [place[node] for node in between if node in place]
    others = [node for node in between if node not in place]
    if len(cored) == 2:
        return f"conductance.{'-'.join(sorted({cluster for cluster, _ in cored}))}.neighbours"
    if cored:
        return f"conductance.{cored[0][0]}.{cored[0][1]}"
    return f"conductance.{'-'.join(others)}"
