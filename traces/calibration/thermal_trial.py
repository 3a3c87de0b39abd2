"""Trials of the thermal fit on simulated boards whose parameters are known.

A trial draws a board around a shipped one, runs a random schedule of programs on it as a recorder
would, and hands the fit what a machine would show: sensors' readings, and either the clusters'
rails with the cores' utilisation or what a power model makes of the operating points.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from platforms.application import ApplicationProfile, Job
from platforms.board import Board, CoolingSetup, Sensor
from platforms.platform import Decision
from platforms.simulated.power import LeakageShape
from platforms.simulated.simulated_board import SimulatedBoard
from traces.calibration.thermal_data import ThermalData, ThermalRun, split_rails
from traces.calibration.thermal_network import ThermalPlan, plan_of
from traces.calibration.thermal_section import with_values

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SPREAD = 1.6
"""Conductances and capacities are drawn up to this factor around the shipped board's, either way
(evenly in the logarithm)."""

AMBIENT_C = (15.0, 35.0)
"""The air's temperature is drawn between these."""

STEPS_K = (0.1, 0.216, 0.5, 1.0)
"""A board's sensors have one of these steps."""

NOISE_K = (0.1, 0.6)
"""The sensors' noise is drawn between these (standard deviation)."""

RAIL_NOISE_W = 0.005
"""Noise of a rail's power sensor (standard deviation, assumed)."""

_SUBSTEP_S = 0.1
_FRESH_S = 1e-6


@dataclass(frozen=True)
class Trial:
    """A board with known parameters, and what was recorded on it.

    `plan` is of the shipped board: what the fit is told. `truth` are the parameters' true values.
    """

    plan: ThermalPlan
    truth: dict[str, float]
    data: ThermalData
    shape: LeakageShape | None


def board_plan(board: Board, cooling: Sequence[CoolingSetup]) -> ThermalPlan:
    """The plan of a board as it stands, under some of its cooling setups, air unknown."""
    clusters = [(cluster.name, cluster.cores) for cluster in board.clusters]
    return plan_of(board.thermal, clusters, cooling, board.sensors)


def draw_trial(
    shipped: Board,
    profiles: Mapping[str, ApplicationProfile],
    rng: np.random.Generator,
    *,
    cooling: str = "fan",
    runs: int = 4,
    run_s: float = 300.0,
    step_s: float = 0.2,
    rails: bool = True,
) -> Trial:
    """Draw a board and record `runs` schedules of `run_s` seconds, power every `step_s`.

    Temperatures are there in the steps at whose end the sensors were refreshed.
    With `rails` the fit gets the measured power of the clusters' rails (leakage is inside), without
    it the modelled power without leakage, and the leakage's shape.
    """
    setup = shipped.cooling_named(cooling)
    shipped = replace(shipped, sensors=_draw_sensors(shipped, rng))
    plan = board_plan(shipped, [setup])
    truth = _draw_truth(plan, rng)
    board = replace(
        shipped,
        thermal=with_values(shipped.thermal, plan, truth),
        cooling=(
            replace(
                setup,
                conductance_w_per_k=truth[plan.ambient[cooling]],
                ambient_c=truth[plan.air[cooling]],
            ),
        ),
        protection=None,
    )
    recorded = tuple(
        _record(board, profiles, rng, f"run{n}", run_s=run_s, step_s=step_s, rails=rails)
        for n in range(runs)
    )
    sensors = tuple(sensor.name for sensor in board.sensors)
    shape = None if rails else LeakageShape.build(board.leakage)
    return Trial(plan, truth, ThermalData(sensors, recorded), shape)


def _draw_truth(plan: ThermalPlan, rng: np.random.Generator) -> dict[str, float]:
    factor = np.exp(rng.uniform(-np.log(SPREAD), np.log(SPREAD), len(plan.parameters)))
    return {
        p.name: p.value(p.mean) * f if p.log else float(rng.uniform(*AMBIENT_C))
        for p, f in zip(plan.parameters, factor, strict=True)
    }


def _draw_sensors(shipped: Board, rng: np.random.Generator) -> tuple[Sensor, ...]:
    """All sensors of one kind, fine or coarse, quiet or noisy."""
    step_k, noise_k = float(rng.choice(STEPS_K)), float(rng.uniform(*NOISE_K))
    return tuple(replace(s, step_k=step_k, noise_k=noise_k) for s in shipped.sensors)


def _jobs(
    board: Board, profiles: Mapping[str, ApplicationProfile], rng: np.random.Generator, run_s: float
) -> list[Job]:
    """Bursts of one program per cluster and run, on random cores, with pauses between them."""
    jobs: list[Job] = []
    for cluster in board.clusters:
        profile = profiles[str(rng.choice(sorted(profiles)))]
        steady = replace(profile, phases=())
        start_s = float(rng.uniform(0, 10))
        while start_s < run_s:
            count = int(rng.integers(1, len(cluster.cores) + 1))
            burst_s = float(np.exp(rng.uniform(np.log(3.0), np.log(90.0))))
            work = burst_s * steady.ips(cluster, cluster.freqs_hz[-1])
            for core in rng.choice(cluster.cores, size=count, replace=False):
                jobs.append(
                    Job(
                        id=len(jobs),
                        profile=steady,
                        target_ips=1.0,
                        arrival_s=round(start_s, 1),
                        instructions=work * float(rng.uniform(0.5, 1.0)),
                        cores=(int(core),),
                    )
                )
            start_s += burst_s + float(np.exp(rng.uniform(np.log(1.0), np.log(60.0))))
    return jobs


def _record(
    board: Board,
    profiles: Mapping[str, ApplicationProfile],
    rng: np.random.Generator,
    name: str,
    *,
    run_s: float,
    step_s: float,
    rails: bool,
) -> ThermalRun:
    cooling = board.cooling[0]
    simulated = SimulatedBoard(
        board,
        cooling=cooling,
        rng=rng,
        jobs=_jobs(board, profiles, rng, run_s),
        start_temp_c=cooling.ambient_c + float(rng.uniform(0, 10)),
    )
    recorder = _Recorder(board, simulated)
    change_s = 0.0
    for step in range(round(run_s / step_s)):
        if step * step_s >= change_s:
            opps = tuple(int(rng.integers(len(cluster.opps))) for cluster in board.clusters)
            simulated.apply(Decision((), opps))
            change_s = step * step_s + float(rng.uniform(5.0, 60.0))
        recorder.step((step + 1) * step_s, step_s)
    return recorder.run(name, cooling.name, step_s, rng if rails else None)


class _Recorder:
    """Collects, step by step, what power and sensors a run had."""

    def __init__(self, board: Board, simulated: SimulatedBoard) -> None:
        self._board, self._simulated = board, simulated
        self._core_w: list[Vector] = []
        self._leakage_w: list[Vector] = []
        self._leaked_w: list[Vector] = []
        self._shared_w: list[Vector] = []
        self._busy: list[Vector] = []
        self._temp_c: list[list[float]] = []

    def step(self, until_s: float, step_s: float) -> None:
        """Let one step pass; powers are means over its parts."""
        parts = max(1, round(step_s / _SUBSTEP_S))
        seen = []
        for part in range(parts, 0, -1):
            self._simulated.advance_to(until_s - (part - 0.5) * step_s / parts)
            seen.append(self._power())
        self._simulated.advance_to(until_s)
        observed = self._simulated.observe()
        core, leakage, leaked, shared = (np.mean(v, axis=0) for v in zip(*seen, strict=True))
        self._core_w.append(core)
        self._leakage_w.append(leakage)
        self._leaked_w.append(leaked)
        self._shared_w.append(shared)
        self._busy.append(np.array(observed.core_utilisation))
        fresh = [r.temp_c if r.age_s < _FRESH_S else np.nan for r in observed.temperatures]
        self._temp_c.append(fresh)

    def _power(self) -> tuple[Vector, Vector, Vector, Vector]:
        """Power per core, its leakage at the reference and now, shared power per cluster (W)."""
        board, power = self._board, self._simulated.power
        nodes_w, opps = self._simulated.power_w, self._simulated.opp_index
        core_w = nodes_w[power.core_nodes]
        owner = board.cluster_of_core
        leakage = [power.core_leakage_w(owner[c], opps[owner[c]]) for c in range(board.core_count)]
        shared = [
            power.cluster_shared_w(i, opps[i])
            if core_w[list(cluster.cores)].max() > 0
            else power.idle_shared_w(i)
            for i, cluster in enumerate(board.clusters)
        ]
        reference_w = np.where(core_w > 0, leakage, 0.0)
        field_c = self._simulated.temperatures_c[power.core_nodes]
        return core_w, reference_w, reference_w * power.shape.value(field_c), np.array(shared)

    def run(
        self, name: str, cooling: str, step_s: float, rail_noise: np.random.Generator | None
    ) -> ThermalRun:
        """The run as the fit takes it; with `rail_noise` by way of the clusters' rails."""
        core_w, shared_w = np.array(self._core_w), np.array(self._shared_w)
        leakage_w: Matrix | None = np.array(self._leakage_w)
        temp_c, total_w = np.array(self._temp_c), shared_w.sum(axis=1)
        if rail_noise is None:
            core_w = core_w - np.array(self._leaked_w)
        else:
            clusters = [cluster.cores for cluster in self._board.clusters]
            rail_w = np.stack([core_w[:, cores].sum(axis=1) for cores in clusters], axis=1)
            rail_w += shared_w + RAIL_NOISE_W * rail_noise.standard_normal(rail_w.shape)
            core_w, total_w = split_rails(rail_w, np.array(self._busy), clusters, shared_w=shared_w)
            leakage_w = None
        steps = np.full(len(temp_c), step_s)
        return ThermalRun(name, name, cooling, steps, core_w, total_w, temp_c, leakage_w)
