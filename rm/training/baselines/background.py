"""Training in the background of the stock scheduler: `nice`, `pinned-little`, `pinned-big`.

The foreground is the stock one (`eas-schedutil`): kernels know no targets and no deadlines. Every
job trains at nice 19 on the cores that the policy's name says, with one fixed setting
(`fixed_setting`) for as long as it has work, with one thread per core, and nobody is paused. Three
things favour these baselines: the setting is the best fixed one, a thread at nice 19 leaves 98.6 %
of a core that it shares to the other one (15 of 1039 in the kernel's weights), and the job's rate
is the sum over its threads: its threads on little cores do not hold up those on big ones, as those
of a synchronous step would.
"""

from platforms.board import Board
from platforms.platform import Migration, Observation, TrainingGrant
from rm.policies.eas import EasSchedutil
from rm.policy import Policy
from rm.training.baselines.fixed_setting import fixed_setting
from rm.training.job import Job
from rm.training.jobs import TrainingJobs
from rm.training.registry import TrainingContext

LOWEST_PRIORITY = 19
"""nice's largest value."""


class Background:
    """The stock foreground, and every job that has work on the same cores."""

    def __init__(
        self,
        name: str,
        board: Board,
        jobs: TrainingJobs,
        cores: tuple[int, ...],
        *,
        foreground: Policy | None = None,
    ) -> None:
        """`foreground` decides about applications and frequencies (None: the stock policy)."""
        self.name = name
        self._board = board
        self._jobs = jobs
        self._cores = cores
        self._foreground = foreground or EasSchedutil(board)
        self._settings: dict[int, int] = {}

    def migrate(self, observation: Observation) -> tuple[Migration, ...]:
        """As the foreground's policy."""
        return self._foreground.migrate(observation)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """As the foreground's policy; it sees how busy training keeps the cores."""
        return self._foreground.scale(observation)

    def train(self, observation: Observation) -> tuple[TrainingGrant, ...]:
        """Grants for the jobs that have work and do not train like this yet."""
        at_work = [job for job in self._jobs.alive(observation.time_s) if job.has_work]
        wanted = [(job, self._grant(job, observation)) for job in at_work]
        return tuple([grant for job, grant in wanted if grant != job.grant])

    def setting(self, job: Job) -> int:
        """The job's fixed setting."""
        if job.id not in self._settings:
            self._settings[job.id] = fixed_setting(self._board, job.capability)
        return self._settings[job.id]

    def cores_of(self, job: Job, observation: Observation) -> tuple[int, ...]:
        """Where the job may train now."""
        return self._cores

    def _grant(self, job: Job, observation: Observation) -> TrainingGrant:
        cores = self.cores_of(job, observation)
        return TrainingGrant(job.id, self.setting(job), cores, nice=LOWEST_PRIORITY)


def make_nice(context: TrainingContext) -> Background:
    """On all cores."""
    every = tuple(range(context.board.core_count))
    return Background("nice", context.board, context.jobs, every)


def make_pinned_little(context: TrainingContext) -> Background:
    """On the weakest cluster."""
    return _pinned("pinned-little", context, 0)


def make_pinned_big(context: TrainingContext) -> Background:
    """On the strongest cluster."""
    return _pinned("pinned-big", context, -1)


def _pinned(name: str, context: TrainingContext, rank: int) -> Background:
    cluster = context.board.clusters[context.board.clusters_by_capacity[rank]]
    return Background(name, context.board, context.jobs, cluster.cores)
