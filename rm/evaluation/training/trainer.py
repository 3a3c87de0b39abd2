"""The client of an episode's training job: what a process on a board would say to the daemon.

It registers, begins rounds when the server sends them, tells after every round of the governor how
many samples it did, does what its grant says, and drops a round that it missed. It sees what a
client sees; that its work is simulated is the board's affair.
"""

from collections.abc import Sequence

from platforms.platform import Decision, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from platforms.simulated.training import TrainingState
from rm.evaluation.training.outcome import RoundOutcome
from rm.evaluation.training.rounds import Round
from rm.planner.capability import Capability
from rm.training.jobs import TrainingJobs
from rm.training.outlook import Outlook

_A_LITTLE_MORE = 1.0 + 1e-9
"""The board is given so much more than a round lacks, so that it is done there when it is here."""


class SimulatedTrainer:
    """Listens to the governor; `outcomes` are the rounds so far, the present one not among them.

    `samples` were done in all, worth `reference_samples`, of which `lost_samples` were of rounds
    that were missed. `grants` counts how often the training was granted something new.
    """

    def __init__(
        self,
        board: SimulatedBoard,
        jobs: TrainingJobs,
        capability: Capability,
        rounds: Sequence[Round],
        *,
        name: str,
    ) -> None:
        """Register the job."""
        self._board = board
        self._jobs = jobs
        self.id = jobs.register(capability, name=name, now_s=board.now_s)
        self._to_come = list(rounds)
        self._present: Round | None = None
        self._told_s: float | None = None
        self._setting = 0
        self._done = 0.0
        self._number = 0
        self.outcomes: list[RoundOutcome] = []
        self.samples = self.reference_samples = self.lost_samples = 0.0
        self.grants = 0

    def __call__(self, observation: Observation, decision: Decision) -> None:
        """What was decided is in force; say what was done until now, then do it."""
        now_s = observation.time_s
        self._report(now_s)
        self._jobs.hand_out(decision.grants, now_s)
        self._follow(now_s)
        if self._present and now_s >= self._present.deadline_s - 1e-9:
            self._miss(now_s)
        if self._present is None and self._to_come and now_s >= self._to_come[0].start_s - 1e-9:
            self._begin(self._to_come.pop(0), now_s)

    def give_up(self, now_s: float) -> None:
        """The episode is over; rounds that it did not come to the end of are missed."""
        self._report(now_s)
        if self._present is not None:
            self._miss(now_s)
        self._told_s = None
        for item in self._to_come:
            self._finish(item, done=0.0, end_s=None)
        self._to_come = []

    def _state(self) -> TrainingState:
        return next(state for state in self._board.training if state.id == self.id)

    def _report(self, now_s: float) -> None:
        """Tell what was done since the last time, all of the setting that was in force then."""
        gained = self._state().samples - self.samples
        if self._present is None and gained == 0.0:
            return
        job = self._jobs.get(self.id, now_s)
        before = job.done
        self._jobs.progress(self.id, samples=gained, now_s=now_s, setting=self._setting)
        self.samples += gained
        self.reference_samples += job.done - before
        if self._present is not None and not job.has_work:
            self._board.withdraw_work(self.id)
            self._finish(self._present, done=self._present.samples, end_s=now_s)
            self._present = None

    def _follow(self, now_s: float) -> None:
        """Take over a grant: another setting makes other samples of what is left of the round."""
        issued = self._jobs.grant_of(self.id, now_s)
        self.grants += issued.number != self._number and issued.state == "granted"
        self._number = issued.number
        self._hear(issued.outlook, now_s)
        if issued.state == "revoking":
            self._jobs.confirm_paused(self.id, now_s)
        grant = self._state().grant
        setting = 0 if grant is None else grant.setting
        if setting != self._setting:
            self._setting = setting
            if self._present is not None:
                self._board.withdraw_work(self.id)
                self._load(now_s)

    def _load(self, now_s: float) -> None:
        """Give the board what the round lacks, in samples of the present setting."""
        job = self._jobs.get(self.id, now_s)
        self._board.give_work(self.id, _A_LITTLE_MORE * job.left / job.worth[self._setting])

    def _begin(self, new: Round, now_s: float) -> None:
        outlook = self._jobs.begin_round(
            self.id,
            number=new.number,
            samples=new.samples,
            deadline_s=new.deadline_s - now_s,
            now_s=now_s,
        )
        self._present, self._told_s = new, None
        self._hear(outlook, now_s)
        self._load(now_s)

    def _hear(self, outlook: Outlook, now_s: float) -> None:
        if self._present is not None and self._told_s is None and not outlook.meets:
            self._told_s = max(0.0, now_s - self._present.start_s)

    def _miss(self, now_s: float) -> None:
        assert self._present is not None
        done = self._jobs.get(self.id, now_s).done
        self.lost_samples += done
        self._jobs.drop_round(self.id, now_s)
        self._board.withdraw_work(self.id)
        self._finish(self._present, done=done, end_s=None)
        self._present = None

    def _finish(self, item: Round, *, done: float, end_s: float | None) -> None:
        self.outcomes.append(
            RoundOutcome(
                item.number,
                item.start_s,
                item.deadline_s,
                item.samples,
                done,
                end_s,
                self._told_s,
            )
        )
