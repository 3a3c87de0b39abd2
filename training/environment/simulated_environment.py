"""The simulated board as a `gymnasium.Env`: one step is one migration period of the governor."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from npu_runtime.policy_file import Feature
from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Decision, Migration, Observation
from platforms.simulated.equilibrium import ThermalRunaway
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.workload import WorkloadParameters
from rm.governor import Periods
from training.environment.actions import Dvfs, Moves
from training.environment.episodes import episodes_of
from training.environment.observations import Vector
from training.environment.picture import picture
from training.environment.reward import Reward, RewardTerms
from training.environment.steering import Interface, Steering
from training.environment.truth import truth

_LARGEST_SEED = 2**31
"""Seeds of episodes lie below it, as those of ``ilgov evaluate`` do."""


class SimulatedEnvironment(gymnasium.Env[Vector, Any]):
    """The governor's rounds, with an agent in the place of the migration policy.

    The board runs its first period alone, so that there are rates to see; then each step carries
    out an action and lets one period pass, in rounds of the DVFS period. ``reset(seed=3)`` starts
    the episode of seed 3, the workload and the sensor noise of ``ilgov evaluate --seed-start 3
    --seeds 1``; without a seed the next one is drawn.
    """

    # Gymnasium declares it, and reads it from the class; two steps of half a second a second.
    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 2}  # noqa: RUF012

    def __init__(
        self,
        *,
        board: str | Board = "hikey970",
        cooling: str | Sequence[str] = "fan",
        applications: Sequence[str | ApplicationProfile] = ("parsec",),
        workload: WorkloadParameters | None = None,
        duration_s: float = 600.0,
        start_temp_c: float | None = None,
        slots: int = 12,
        moves: Moves = "all",
        dvfs: Dvfs = "qos",
        reward: Reward | None = None,
        periods: Periods | None = None,
        render_mode: str | None = None,
    ) -> None:
        """All arguments can be given to ``gymnasium.make``.

        `board` is a shipped board, a board file or a `Board`; `cooling` one of its cooling setups,
        or several of which each episode draws one; `applications` are suites, suite files, names or
        profiles. An episode lasts `duration_s` from `start_temp_c` in every node (None: the air's
        temperature). `slots`, `moves` and `dvfs` shape what the agent sees and does
        (`steering.Interface`, `actions`). Raises InvalidInput for what there is not.
        """
        self.render_mode = render_mode  # Gymnasium warns of those that there are not
        self._episodes = episodes_of(
            board=board,
            cooling=cooling,
            applications=applications,
            workload=workload,
            periods=periods,
            duration_s=duration_s,
            start_temp_c=start_temp_c,
        )
        self._interface = Interface(slots=slots, moves=moves, dvfs=dvfs)
        self._reward = reward or Reward()
        self._steering = Steering(self._episodes.board, self._interface)
        self._simulated: SimulatedBoard | None = None
        self._rounds: list[Observation] = []
        self.action_space = self._steering.codec.space
        size = len(self.features)
        self.observation_space = spaces.Box(0.0, 1.0, (size,), np.float32)

    @property
    def features(self) -> tuple[Feature, ...]:
        """The table of what the agent sees: index, name, unit and range of every number."""
        return self._steering.encoder.features

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Vector, dict[str, Any]]:
        """Start an episode; the first thing seen is the end of its first period.

        `options` must be empty. Raises ThermalRunaway where the board cannot even live that long.
        """
        super().reset(seed=seed)
        if options:
            raise InvalidInput(
                f"options must be empty (got {options}); give them to gymnasium.make"
            )
        self._seed = int(self.np_random.integers(_LARGEST_SEED)) if seed is None else seed
        simulated = self._simulated = self._episodes.start(self._seed)
        self._steering = Steering(self._episodes.board, self._interface)
        self._asked: tuple[int, ...] | None = None
        self._round = 0
        self._step = 0
        self._rounds = []
        self._pass_period(simulated)
        self._seen = self._steering.see(self._rounds[-1])
        return self._seen.copy(), self._info(simulated, (), None)

    def step(self, action: Any) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Carry out an action and let a period pass.

        Ends with a thermal runaway (terminated) or after `duration_s` (truncated). Raises
        InvalidInput for an action that there is not, ResetNeeded when the episode is over.
        """
        if self._simulated is None:
            raise ResetNeeded("reset must come before the first step, and after an episode's end")
        simulated, latest = self._simulated, self._rounds[-1]
        moves = self._steering.act(action)
        self._rounds = []
        self._step += 1
        terminated = False
        try:
            self._decide(simulated, latest, moves)
            self._pass_period(simulated)
            terms = self._reward.terms(self._rounds)
            self._seen = self._steering.see(self._rounds[-1])
        except ThermalRunaway:
            terminated = True
            left = self._episodes.steps - self._step + 1
            terms = self._reward.after_runaway(left, len(latest.applications))
        truncated = not terminated and self._step == self._episodes.steps
        info = self._info(simulated, moves, terms)
        if terminated or truncated:
            self._simulated = None
        return self._seen.copy(), terms.total, terminated, truncated, info

    def render(self) -> str | None:
        """What the agent sees, as text (``render_mode="ansi"``)."""
        if self.render_mode != "ansi" or not self._rounds:
            return None
        return picture(self._episodes.board, self._rounds[-1], self._steering.slotted)

    def _decide(
        self, simulated: SimulatedBoard, latest: Observation, moves: tuple[Migration, ...]
    ) -> None:
        """What the governor does at the end of a round: moves, if they are due, and clocks."""
        opps = self._steering.scale(latest)
        if moves or opps != self._asked:
            simulated.apply(Decision(moves, opps))
            self._asked = opps

    def _pass_period(self, simulated: SimulatedBoard) -> None:
        """Rounds up to the next migration round; that one's decision is left to the next step."""
        periods = self._episodes.periods
        for left in reversed(range(periods.rounds_per_migration)):
            self._round += 1
            simulated.clock.sleep_until(self._round * periods.dvfs_s)
            self._rounds.append(simulated.observe())
            if left:
                self._decide(simulated, self._rounds[-1], ())

    def _info(
        self,
        simulated: SimulatedBoard,
        moves: tuple[Migration, ...],
        terms: RewardTerms | None,
    ) -> dict[str, Any]:
        """What came with a step, and under `truth` what no board would show."""
        terms = terms or RewardTerms(0.0, 0.0)
        return {
            "time_s": simulated.now_s,
            "episode_seed": self._seed,
            "slots": tuple(-1 if a is None else a.id for a in self._steering.slotted),
            "migrations": len(moves),
            "reward_temperature": terms.temperature,
            "reward_misses": terms.misses,
            "truth": truth(simulated),
        }
