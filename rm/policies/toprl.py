"""TOP-RL: the reinforcement learning that TOP-IL is compared with.

Tabular multi-agent Q-learning. Every application is an agent, all agents share one table, an action
is a core to run on. The agents take turns, one at each migration period, so that what follows can
be put down to one of them: the reward of an action is what the board shows at the agent's next
turn, 80 degC minus the temperature, or -200 where its application misses its target then. The table
is learnt on the simulated board beforehand and learning goes on here, exploration included. DVFS is
TOP-IL's.

Rapp, Khdr, Krohmer, Henkel compare with such an agent in the journal version of "NPU-Accelerated
Imitation Learning for Thermal Optimization of QoS-Constrained Heterogeneous Multi-Cores" (arXiv
2206.05459). All of the above is recalled, the constants too. Assumed are the cuts of the state
(`q_state`); that the turns go round in the order of arrival; that the agent's own target is the
one that counts; that moves go to free cores only, as TOP-IL's do here; and that cores of one
cluster are alike, so that a column of the table is a cluster and its first free core is the one
taken. (With a column for each core, agents wander between equal cores: `docs/toprl.md`.)

An agent learns from what any governor sees: rates, utilisation, operating points, the sensors.

Applications of several threads are no agents and stay on their cluster: the table was learnt with
one thread, for which a cluster means one core.
"""

from collections.abc import Sequence

import numpy as np

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Migration, Observation
from rm.dvfs import QosScaling
from rm.policies.q_learning import QLearner
from rm.policies.q_state import StateSpace, free_cores
from rm.policies.q_table import SUFFIX, QTable, check_fits, read_q_table
from rm.policies.registry import PolicyContext
from rm.policies.shipped_files import shipped

EXPLORATION_SEED = 0
"""Draws the exploration, always alike: two runs of the policy on equal observations agree."""


class TopRl:
    """The policy. It moves applications of one thread; those of several stay on their cluster."""

    name = "toprl"

    def __init__(self, board: Board, learner: QLearner) -> None:
        """`learner` has a row for each of the board's states (`q_state`), a column per cluster."""
        self._board = board
        self._learner = learner
        self._states = StateSpace(board)
        self._scaling = QosScaling(board)
        self._last_turn = -1
        self._pending: dict[int, tuple[int, int]] = {}

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The agent whose turn it is learns from its last action and takes its next one."""
        agents = {app.id: app for app in observation.applications if app.threads == 1}
        self._pending = {agent: done for agent, done in self._pending.items() if agent in agents}
        if not agents:
            return ()
        agent = agents[self._whose_turn(list(agents))]
        core = self._act(observation, agent)
        return () if core == agent.cores[0] else (Migration(agent.id, (core,)),)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """DVFS by QoS."""
        return self._scaling.scale(observation)

    def _whose_turn(self, agents: Sequence[int]) -> int:
        """The next in the order of arrival, then the first again."""
        later = [agent for agent in agents if agent > self._last_turn]
        self._last_turn = min(later or agents)
        return self._last_turn

    def _act(self, observation: Observation, agent: ApplicationReading) -> int:
        """Learn, choose a cluster, and return the core to run on."""
        free = free_cores(observation)
        cores = self._core_in_each_cluster(observation, agent, free)
        state = self._states.index(observation, agent, free)
        if agent.id in self._pending:
            earned = self.reward(observation, agent)
            self._learner.learn(*self._pending[agent.id], earned, state, list(cores))
        present = self._board.cluster_of_core[agent.cores[0]]
        cluster = self._learner.choose(state, list(cores), present)
        self._pending[agent.id] = state, cluster
        return cores[cluster]

    def _core_in_each_cluster(
        self, observation: Observation, agent: ApplicationReading, free: Sequence[bool]
    ) -> dict[int, int]:
        """The clusters where the agent may run, each with the core that it would get there.

        In its own it keeps its core, unless another application is on it and a free one is left.
        """
        present = agent.cores[0]
        users = [app.cores[0] for app in observation.applications if app.threads == 1]
        cores = {}
        for index, cluster in enumerate(self._board.clusters):
            idle = [core for core in cluster.cores if free[core]]
            if present in cluster.cores and (not idle or users.count(present) == 1):
                cores[index] = present
            elif idle:
                cores[index] = idle[0]
        return cores

    def reward(self, observation: Observation, agent: ApplicationReading) -> float:
        """Kelvin below the reference temperature, or the price of a missed target."""
        constants = self._learner.parameters
        if agent.rate_ips < constants.met_from * agent.target_ips:
            return constants.missed_reward
        hottest_c = max(reading.temp_c for reading in observation.temperatures)
        return constants.reference_temp_c - hottest_c


def make(context: PolicyContext) -> TopRl:
    """The policy with the table that is shipped for the board.

    Where the context's policy file ends in ``.npz`` it is a Q-table and is taken instead; any other
    is another policy's network. InvalidInput where there is no table for the board.
    """
    table = _table(context)
    learner = QLearner(
        table.values.astype(np.float64),
        table.metadata.parameters,
        np.random.default_rng(EXPLORATION_SEED),
    )
    return TopRl(context.board, learner)


def _table(context: PolicyContext) -> QTable:
    board, path = context.board, context.policy_file
    if path is None or path.suffix != SUFFIX:
        path = shipped(f"toprl-{board.name}{SUFFIX}")
    if path is None:
        raise InvalidInput(
            f"toprl needs a Q-table for the board {board.name!r}, and none is shipped: make one "
            f"with 'ilgov train-toprl --board {board.name} --out table{SUFFIX}' and give "
            f"--policy-file table{SUFFIX}, or leave toprl out"
        )
    table = read_q_table(path)
    check_fits(table, board, origin=str(path))
    return table
