"""In the guest: what `ilgov` executes to decide on migrations, in a closed loop.

The board is simulated, the loop the governor's own, with programs that come, go and have phases.
Only what the policy does in a migration period is counted.
"""

import json
import sys
from pathlib import Path

import numpy as np

from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.platform import Migration, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor
from rm.policies.registry import PolicyContext, policy_factory
from rm.policy import Policy
from tests.rig.instruction_time import counted
from tests.rig.world import OUT

BOARD, COOLING, SEED = "hikey970", "passive", 101
WORKLOAD = WorkloadParameters(interarrival_s=15.0)
LENGTH_S = 100.0


class CountedPolicy:
    """A policy, with the instructions of each of its migration decisions."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.name = policy.name
        self.instructions: list[int] = []
        self.applications: list[int] = []

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """The policy's own."""
        moves: list[tuple[Migration, ...]] = []
        self.applications.append(len(observation.applications))
        self.instructions.append(counted(lambda: moves.append(self._policy.migrate(observation))))
        return moves[0]

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The policy's own."""
        return self._policy.scale(observation)


def main(report: Path) -> None:
    """Median, mean and 99th percentile over all migration periods."""
    board = load_board(BOARD)
    jobs = draw_workload(
        board, find_applications(["parsec"]), WORKLOAD, np.random.default_rng([SEED, 0])
    )
    simulated = SimulatedBoard(
        board,
        cooling=board.cooling_named(COOLING),
        rng=np.random.default_rng([SEED, 1]),
        jobs=jobs,
        run_s=LENGTH_S,
    )
    policy = CountedPolicy(policy_factory("ilgov")(PolicyContext(board, simulated, None)))
    Governor(simulated, policy, simulated.clock).run(LENGTH_S)
    found = {
        "decisions": len(policy.instructions),
        "applications": float(np.mean(policy.applications)),
        "median": float(np.median(policy.instructions)),
        "mean": float(np.mean(policy.instructions)),
        "p99": float(np.percentile(policy.instructions, 99)),
    }
    report.write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(OUT / "guest_search.json")
    sys.exit(0)
