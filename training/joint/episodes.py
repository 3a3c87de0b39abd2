"""What the policy itself meets: situations from simulated episodes that it governs (DAgger).

Ross, Gordon, Bagnell, "A Reduction of Imitation Learning and Structured Prediction to No-Regret
Online Learning" (AISTATS 2011): a policy that learnt from an expert's states makes errors that lead
to states which the expert never saw; so it is asked what it would have done there as well.
"""

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from oracle.whatif import Wanted
from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.platform import Migration, Observation
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.workload import WorkloadParameters, draw_workload
from rm.governor import Governor
from rm.mapping.demand import Demand
from rm.policies.ilgov import Ilgov, Scorer
from rm.speed_priors import SpeedPriors
from training.joint.options import JointOptions
from training.joint.situations import Situation, another, true_demand, with_usual_activity


class _Remembering(Ilgov):
    """The policy, which also writes down what it met."""

    def __init__(
        self,
        simulated: SimulatedBoard,
        scorer: Scorer,
        priors: SpeedPriors,
        options: JointOptions,
    ) -> None:
        super().__init__(
            simulated.board,
            scorer,
            priors,
            question=options.question,
            stall_aware=options.stall_aware,
        )
        self._simulated = simulated
        self._stall_aware = options.stall_aware
        self._every_s = options.dagger_every_s
        self._due_s = 0.0
        self.met: list[Situation] = []

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """Remember the situation now and then, then decide."""
        apps = observation.applications
        if apps and observation.time_s >= self._due_s and all(app.rate_ips > 0.0 for app in apps):
            self._due_s = observation.time_s + self._every_s
            truth = {app.job.id: app for app in self._simulated.running}
            wanted = []
            for seen in observation.applications:
                app = truth[seen.id]
                program = with_usual_activity(app.job.profile)
                wanted.append(Wanted(seen.id, program, app.phase, seen.target_ips, 1, seen.cores))
            self.met.append(Situation(tuple(wanted), self._true_demand(wanted)))
        return super().migrate(observation)

    def _true_demand(self, wanted: Sequence[Wanted]) -> Demand:
        """Not the estimates of the moment.

        Where those are off by an operating point or two, the network would learn that operating
        points matter less than they do.
        """
        return true_demand(self._board, wanted, stall_aware=self._stall_aware)


def met(
    board: Board,
    cooling: str,
    profiles: Sequence[ApplicationProfile],
    scorer: Scorer,
    priors: SpeedPriors,
    options: JointOptions,
    seed: Sequence[int],
) -> list[Situation]:
    """The situations of one episode with random applications, targets and arrival rate.

    Thermal runaway ends it; what was met until then counts.
    """
    rng = np.random.default_rng(seed)
    programs = [another(profiles, rng) for _ in profiles]
    workload = WorkloadParameters(
        interarrival_s=float(rng.uniform(8.0, 30.0)), highest_target=float(rng.uniform(0.3, 0.7))
    )
    simulated = SimulatedBoard(
        board,
        cooling=board.cooling_named(cooling),
        rng=rng,
        jobs=draw_workload(board, programs, workload, rng),
    )
    policy = _Remembering(simulated, scorer, priors, options)
    with suppress(ThermalRunaway):
        Governor(simulated, policy, simulated.clock).run(options.dagger_episode_s)
    return policy.met


class NetworkScorer:
    """A network's weights as numpy arrays: scores rows without torch, in any process."""

    def __init__(self, weights: dict[str, NDArray[np.float32]]) -> None:
        """`weights` as `FitResult.weights` names them, normalisation included."""
        self._mean, self._std = weights["mean"], weights["std"]
        names = sorted(
            (name for name in weights if name.endswith(".weight")),
            key=lambda name: int(name.split(".")[1]),
        )
        self._layers = [
            (weights[name].T, weights[name.replace(".weight", ".bias")]) for name in names
        ]

    def run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score a batch (R, F) -> (R, 1)."""
        values = (rows - self._mean) / self._std
        for number, (weight, bias) in enumerate(self._layers):
            values = values @ weight + bias
            if number < len(self._layers) - 1:
                values = np.maximum(values, 0.0)
        return values
