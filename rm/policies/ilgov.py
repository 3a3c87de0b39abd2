"""`ilgov`: all applications at once, several on a core where that is cooler.

Every migration period the policy rates joint mappings near the present one: which applications go
to which cluster, and how few cores of it they share. What a mapping asks of the clocks follows from
the speeds that were seen (`rm.speed_estimate`); which of those that meet all targets settles
coolest says a network that imitates the joint oracle (``ilgov train-ilgov``). DVFS is by QoS and
knows about stalls (`rm.stall_aware_dvfs`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from npu_runtime.policy_file import read_policy_file
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Migration, Observation
from rm.dvfs import QosScaling, demands_hz, opp_at_least
from rm.mapping.demand import Demand, demand
from rm.mapping.packing import groups_of_cores
from rm.mapping.rows import OUTPUTS, table
from rm.mapping.search import Rated, Settling, best_of, search
from rm.mapping.single_moves import single_moves
from rm.mapping.team_moves import count_of, moves_to
from rm.mapping.threads import Homes, homes
from rm.policies.registry import PolicyContext
from rm.policies.shipped_files import shipped
from rm.speed_estimate import SpeedEstimator
from rm.speed_priors import SpeedPriors
from rm.stall_aware_dvfs import StallAwareScaling

GAIN_PER_MOVE_K = 0.02
"""A new mapping must promise this much less heat for every application that it moves."""

WITHIN_K = 0.02
"""Mappings that are this near to one that is chosen, by a network that is rounded, are rated again
in float32 (chosen: the least gain of a move; float16 is off by less than half of it, see
docs/npu-precision.md)."""

SEARCH_STEPS = 8
"""Batches for the network in one migration period, at most."""


class Scorer(Protocol):
    """Feature rows in, one score per row out."""

    def run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch (R, F) -> (R, 1)."""
        ...


@dataclass(frozen=True)
class _Settled:
    """A situation in which no better mapping was found."""

    ids: list[int]
    cores: list[int]
    held: list[tuple[int, tuple[int, ...]]]
    wanted: Demand

    def holds(
        self,
        ids: Sequence[int],
        cores: Sequence[int],
        held: Sequence[tuple[int, tuple[int, ...]]],
        wanted: Demand,
    ) -> bool:
        """Whether that is still so."""
        same = (ids, cores, held) == (self.ids, self.cores, self.held)
        return same and wanted.resembles(self.wanted)


class Ilgov:
    """The policy.

    Where nothing that matters has changed since the search found nothing better, it is not done
    again. An application of several threads is given cores of one cluster: those without
    applications of one thread, and those that it is to share with them. It moves to another cluster
    where all its threads gain enough. One that stands still is not judged; its cluster is as fast
    as DVFS makes it.
    """

    name = "ilgov"

    def __init__(
        self,
        board: Board,
        scorer: Scorer,
        priors: SpeedPriors,
        *,
        question: Literal["joint", "one"] = "joint",
        stall_aware: bool = True,
        gain_per_move_k: float = GAIN_PER_MOVE_K,
        steps: int = SEARCH_STEPS,
        exact: Scorer | None = None,
    ) -> None:
        """`scorer` is the network, `priors` what its training measured of programs' speeds.

        `exact` is the same network in float32, where `scorer` is one that rounds: it has the last
        word between mappings that rounding cannot tell apart.

        For comparisons, `question` "one" moves one application of one thread at a time, and one of
        several, and `stall_aware` False scales linearly, as TOP-IL does both.
        """
        self._board = board
        self._scorer = scorer
        self._settling = None if exact is None else _settling(exact)
        self._gain_per_move_k = gain_per_move_k
        self._steps = steps
        self._joint = question == "joint"
        self.last_gain: float | None = None
        self._settled: _Settled | None = None
        self._estimator = SpeedEstimator(board, priors, stall_aware=stall_aware)
        self._scaling = (
            StallAwareScaling(board, self._estimator) if stall_aware else QosScaling(board)
        )

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """All moves to the best mapping found, if it is enough better than the present one.

        `last_gain` is how many kelvin it promises, chosen or not.
        """
        self.last_gain = None
        self._estimator.update(observation)
        running = [app for app in observation.applications if app.rate_ips > 0.0]
        if not running or self._board.core_count == 1:
            return ()
        movable = [app for app in running if app.threads == 1]
        teams = [app for app in running if app.threads > 1]
        wanted = self.demand(observation, [*movable, *threads_of(teams)])
        cores = [app.cores[0] for app in movable]
        held = [(team.id, team.cores) for team in teams]
        ids = [app.id for app in movable]
        if self._settled is not None and self._settled.holds(ids, cores, held, wanted):
            return ()
        now, best = self._search(wanted, movable, teams)
        self.last_gain = float(now.heat_k - best.heat_k)
        moves = moves_to(self._board, best, movable, teams)
        if moves and self._is_worth(best, now, count_of(self._board, moves, teams)):
            self._settled = None
            return moves
        self._settled = _Settled(ids, cores, held, wanted)
        return ()

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """DVFS by QoS; every round teaches the speed estimate."""
        self._estimator.update(observation)
        return self._scaling.scale(observation)

    def demand(
        self, observation: Observation, applications: Sequence[ApplicationReading]
    ) -> Demand:
        """What these applications, none at a stand, ask for, as far as was seen.

        The others bind their clusters.
        """
        self._estimator.update(observation)
        ids = {app.id for app in applications}
        others = [app for app in observation.applications if app.id not in ids]
        bound = demands_hz(self._board, observation, others)
        pairs = zip(self._board.clusters, bound, strict=True)
        instruction_s = self._estimator.instruction_s(observation, applications)
        stalls = self._estimator.stalls_s_per_cycle(applications)
        strongest = self._board.clusters_by_capacity[-1]
        cycles_hz = self._board.clusters[strongest].freqs_hz[0]
        cycles = instruction_s[strongest][:, 0] / (1.0 / cycles_hz + stalls[strongest])
        stall_s = cycles * stalls[strongest]
        return demand(
            self._board,
            instruction_s=instruction_s,
            stall_s_per_cycle=stalls,
            memory_s=stall_s * self._estimator.memory_per_stall(strongest),
            l2d_per_instruction=np.array([app.l2d_per_s / app.rate_ips for app in applications]),
            target_ips=np.array([app.target_ips for app in applications]),
            lowest_opp=[opp_at_least(cluster.freqs_hz, need) for cluster, need in pairs],
        )

    def _search(
        self,
        wanted: Demand,
        singles: Sequence[ApplicationReading],
        teams: Sequence[ApplicationReading],
    ) -> tuple[Rated, Rated]:
        """The present mapping and the best one found."""
        cores = [single.cores[0] for single in singles]
        present = groups_of_cores(self._board, cores)
        where = self._homes(singles, teams) if teams else None
        if self._joint:
            return search(
                self._board,
                wanted,
                present,
                self._heat,
                steps=self._steps,
                homes=where,
                settling=self._settling,
            )
        moved = single_moves(self._board, cores)
        if where is not None:
            moved = present.and_then(moved)  # one of several threads may be the one that moves
        now = present if where is None else where.present
        return (
            best_of(self._board, wanted, now, self._heat, settling=self._settling),
            best_of(self._board, wanted, moved, self._heat, homes=where, settling=self._settling),
        )

    def _homes(
        self, singles: Sequence[ApplicationReading], teams: Sequence[ApplicationReading]
    ) -> Homes:
        """Where teams may be; all, or for question "one" a single one, may leave their cluster."""
        return homes(
            self._board,
            singles,
            teams,
            gain_per_thread_k=self._gain_per_move_k,
            at_once=None if self._joint else 1,
        )

    def _heat(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._scorer.run(rows)[:, 0]

    def _is_worth(self, best: Rated, now: Rated, moves: int) -> bool:
        if best.rank[0] != now.rank[0]:
            return best.rank[0] < now.rank[0]
        return now.heat_k - best.heat_k > self._gain_per_move_k * moves


def _settling(exact: Scorer) -> Settling:
    return Settling(lambda rows: exact.run(rows)[:, 0], WITHIN_K)


def threads_of(applications: Sequence[ApplicationReading]) -> list[ApplicationReading]:
    """Every thread as an application with its share of the target."""
    return [
        replace(app, target_ips=app.target_ips / app.threads)
        for app in applications
        for _ in range(app.threads)
    ]


def make(context: PolicyContext) -> Ilgov:
    """The policy from the file given, if it is one of `ilgov`'s, or else from the shipped one.

    InvalidInput where none is shipped for the board.
    """
    board = context.board
    path = context.policy_file
    if path is None or is_for_another(path):
        path = shipped(f"ilgov-{board.name}.onnx")
    if path is None:
        raise InvalidInput(
            f"ilgov needs a network for the board {board.name!r}, and none is shipped: make one "
            f"with 'ilgov train-ilgov --board {board.name} --out policy.onnx' and give "
            "--policy-file policy.onnx, or leave ilgov out"
        )
    scorer = context.load(path, features=table(board), outputs=OUTPUTS)
    trained = scorer.metadata.oracle
    return Ilgov(
        board,
        scorer,
        SpeedPriors.of_constants(board, scorer.metadata.constants),
        question="one" if trained.get("question") == "one" else "joint",
        stall_aware=bool(trained.get("stall_aware", True)),
        exact=scorer.exact,
    )


def is_for_another(path: Path) -> bool:
    """Whether a file is another policy's: a Q-table, or a network with other outputs."""
    return path.suffix == ".npz" or read_policy_file(path).metadata.outputs != OUTPUTS
