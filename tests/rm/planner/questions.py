"""Random questions to the planner: boards with few operating points, jobs, foregrounds, limits."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board
from platforms.training_work import Efficiency, TrainingWork
from rm.mapping.demand import Demand
from rm.planner.capability import modelled_capability
from rm.planner.foreground import Needs, needs
from rm.planner.heat import HeatModel
from rm.planner.mode_table import ModeTable, mode_table
from rm.planner.modes import effective_progress
from rm.planner.plans import Limits, Objective, Plan, RoundLeft
from rm.planner.together import plan
from rm.planner.traffic import loads_of
from tests.rm.mapping.demands import random_demand


def thinned(name: str, points: int) -> Board:
    """A shipped board with so many of its operating points, spread over them all."""
    board = load_board(name)
    clusters = tuple(
        replace(
            c, opps=tuple(c.opps[i] for i in np.linspace(0, len(c.opps) - 1, points).astype(int))
        )
        for c in board.clusters
    )
    accelerators = tuple(replace(a, opps=a.opps[-points:]) for a in board.accelerators)
    return replace(board, clusters=clusters, accelerators=accelerators)


BOARDS = {
    "hikey970": thinned("hikey970", 4),
    "rk3588": thinned("rk3588", 3),
    "jetson-nano": thinned("jetson-nano", 5),
}


def works(rng: np.random.Generator, count: int = 3) -> tuple[TrainingWork, ...]:
    """Settings that differ in batch and depth."""
    flops, sample_bytes = float(rng.uniform(1e7, 2e9)), float(rng.uniform(1e4, 4e7))
    return tuple(
        TrainingWork(
            knobs={"batch": 4.0 * 4**i, "depth": float(count - i)},
            flops=flops * (1.0 - 0.2 * i),
            sample_bytes=sample_bytes,
            step_bytes=5 * sample_bytes,
            kernels=int(rng.integers(20, 400)),
            memory_bytes=100_000_000 * (1 + i),
            samples_factor=float(rng.uniform(1.0, 1.5)),
        )
        for i in range(count)
    )


@dataclass(frozen=True)
class Question:
    """What the planner is asked, and the parts of its model that the tests use as well."""

    heat: HeatModel
    demand: Demand
    table: ModeTable
    left: RoundLeft | None
    limits: Limits
    objective: Objective
    threads: tuple[int, ...] = ()

    def answer(self) -> Plan:
        """The planner's."""
        return self.answer_from(None)

    def answer_from(self, present: Plan | None) -> Plan:
        """The planner's, where the foreground is as in a plan now."""
        return plan(
            self.heat.board,
            self.heat,
            self.demand,
            self.table,
            self.left,
            self.limits,
            objective=self.objective,
            threads=self.threads,
            present=present,
        )

    def asked(self, load: float) -> Needs:
        """The foreground while training takes so much of the memory's bandwidth."""
        return needs(self.heat.board, self.demand, training_load=load, threads=self.threads)

    @cached_property
    def loads(self) -> np.ndarray:
        """The share of the memory's bandwidth by mode."""
        return loads_of(self.table, self.heat.board.memory.bandwidth_bytes_per_s)

    @cached_property
    def fits(self) -> np.ndarray:
        """Whether a mode keeps the memory limit."""
        return self.table.memory_bytes <= self.limits.memory_bytes

    @cached_property
    def progress(self) -> np.ndarray:
        """Reference samples/s by mode beside the foreground."""
        bandwidth = self.heat.board.memory.bandwidth_bytes_per_s
        return effective_progress(self.table, self.asked(0.0).memory_load, bandwidth)

    @cached_property
    def fast(self) -> np.ndarray:
        """Whether a mode fits and is fast enough."""
        return self.fits & (self.progress * self.left.time_s >= self.left.samples)


def drawn(name: str, seed: int, *, most: int = 3, board: Board | None = None) -> Question:
    """A question with up to `most` applications; limits that may hold, bind or be out of reach."""
    rng = np.random.default_rng(seed)
    on = BOARDS[name] if board is None else board
    capability = modelled_capability(
        on, works(rng), Efficiency((4, 16, 64), (1000.0, 1200.0, 2500.0))
    )
    table = mode_table(on, capability)
    cooling = on.cooling[int(rng.integers(len(on.cooling)))]
    limit_c = float(rng.choice([cooling.ambient_c + rng.uniform(1.0, 20.0), 75.0, math.inf]))
    heat = HeatModel(on, cooling, 75.0, bias_k=float(rng.choice([0.0, 1.5])))
    if rng.random() < 0.3:
        nodes = len(heat.network.names)
        field = cooling.ambient_c + rng.uniform(0.0, 25.0, size=nodes)
        heat = heat.after(field, float(rng.uniform(0.5, 60.0)))
    fastest = float(table.progress_per_s.max())
    samples = float(rng.choice([0.0, 500.0], p=[0.05, 0.95]))
    time_s = samples / fastest * float(rng.choice([rng.uniform(0.5, 30.0), math.inf], p=[0.9, 0.1]))
    return Question(
        heat=heat,
        demand=random_demand(
            on, rng, int(rng.integers(0, most + 1)), heaviest=float(rng.choice([0.4, 0.9, 1.5]))
        ),
        table=table,
        left=RoundLeft(samples, time_s if samples else 10.0),
        limits=Limits(
            limit_c,
            power_w=float(rng.choice([math.inf, rng.uniform(0.3, 4.0)])),
            memory_bytes=float(rng.choice([math.inf, 2.5e8, 1.0]))
            if rng.random() < 0.3
            else math.inf,
        ),
        objective="energy" if rng.random() < 0.3 else "temperature",
    )
