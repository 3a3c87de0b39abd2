"""An episode on the simulated board that a network's two versions are judged on."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from npu_runtime.backend import Backend
from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor
from rm.npu.switch import Switch, SwitchedContext
from rm.policies.registry import policy_factory
from rm.policy import Policy

_WORKLOAD, _NOISE = 0, 1
"""Streams of an episode's seed, as in `rm.evaluation.episode`."""

EXACT_BACKEND = "numpy"
"""Runs the float32 network: the reference, the same on every machine."""


@dataclass(frozen=True, kw_only=True)
class Episode:
    """What a policy meets: random applications for `duration_s` under one cooling setup.

    `path` is its network in float32. `rate_factor` times as many applications come as usual, that
    much faster. `settled` as in `SwitchedContext`.
    """

    board: Board
    policy: str
    path: Path
    profiles: tuple[ApplicationProfile, ...]
    cooling: str
    seed: int
    rate_factor: float = 1.0
    duration_s: float = 600.0
    settled: bool = False


@dataclass(frozen=True)
class Lived:
    """What became of an episode: the hottest core's mean temperature, simulated, and the targets.

    An application misses its target as in `rm.evaluation.outcome`.
    """

    mean_hottest_c: float
    applications: int
    missed: int


Wrapper = Callable[[Policy, Switch], Policy]


def live(episode: Episode, candidate: Backend, wrapped: Wrapper) -> Lived:
    """Run an episode with the policy as `wrapped` makes it; thermal runaway ends it."""
    simulated = _simulated(episode)
    context = SwitchedContext(
        episode.board,
        simulated,
        episode.path,
        EXACT_BACKEND,
        candidate=candidate,
        settled=episode.settled,
    )
    policy = policy_factory(episode.policy)(context)
    hottest_c: list[float] = []

    def look(*_: object) -> None:
        hottest_c.append(float(simulated.temperatures_c[simulated.power.core_nodes].max()))

    governor = Governor(simulated, wrapped(policy, context.switch), simulated.clock, listener=look)
    with suppress(ThermalRunaway):
        governor.run(episode.duration_s)
    records = simulated.records()
    missed = sum(record.mean_ips < MISS_BELOW * record.job.target_ips for record in records)
    return Lived(float(np.mean(hottest_c)), len(records), missed)


def _simulated(episode: Episode) -> SimulatedBoard:
    usual = WorkloadParameters()
    workload = replace(
        usual,
        arrivals=round(usual.arrivals * episode.rate_factor),
        interarrival_s=usual.interarrival_s / episode.rate_factor,
    )
    rng = np.random.default_rng([episode.seed, _WORKLOAD])
    return SimulatedBoard(
        episode.board,
        cooling=episode.board.cooling_named(episode.cooling),
        rng=np.random.default_rng([episode.seed, _NOISE]),
        jobs=draw_workload(episode.board, episode.profiles, workload, rng),
        run_s=episode.duration_s,
    )
