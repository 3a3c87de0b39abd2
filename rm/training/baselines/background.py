"""Training in the background of the stock scheduler: `nice`, `pinned-little`, `pinned-big`.

The foreground is the stock one (`eas-schedutil`): kernels know no targets and no deadlines. Every
job trains at nice 19 on the cores that the policy's name says, with one fixed setting
(`fixed_setting`) for as long as it has work, with one thread per core, and nobody is paused. Two
things favour these baselines: a thread at nice 19 leaves 98.6 % of a core that it shares to the
other one (1024 of 1039 in the kernel's weights), and the job's rate is the sum over its threads:
those on little cores do not hold up those on big ones, as those of a synchronous step would.
"""

from platforms.board import Board
from platforms.platform import Migration, Observation, TrainingGrant
from rm.policies.eas import EasSchedutil
from rm.policy import Policy
from rm.training.baselines.fixed_setting import REFERENCE, tuned_setting
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
        tuned: bool = False,
    ) -> None:
        """`tuned`: with the setting that suits the board, not the one that the job came with."""
        self.name = name
        self._tuned = tuned
        self._board = board
        self._jobs = jobs
        self._cores = cores
        self._foreground: Policy = EasSchedutil(board)
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
        if not self._tuned:
            return REFERENCE
        if job.id not in self._settings:
            self._settings[job.id] = tuned_setting(self._board, job.capability, len(self._cores))
        return self._settings[job.id]

    def cores_of(self, job: Job, observation: Observation) -> tuple[int, ...]:
        """Where the job may train now."""
        return self._cores

    def _grant(self, job: Job, observation: Observation) -> TrainingGrant:
        cores = self.cores_of(job, observation)
        return TrainingGrant(job.id, self.setting(job), cores, nice=LOWEST_PRIORITY)


def make_nice(context: TrainingContext) -> Background:
    """On all cores."""
    return Background("nice", context.board, context.jobs, _every_core(context))


def make_nice_tuned(context: TrainingContext) -> Background:
    """On all cores, with the tuned setting."""
    return Background("nice-tuned", context.board, context.jobs, _every_core(context), tuned=True)


def make_pinned_little(context: TrainingContext) -> Background:
    """On the weakest cluster."""
    return Background("pinned-little", context.board, context.jobs, _cluster(context, 0))


def make_pinned_little_tuned(context: TrainingContext) -> Background:
    """On the weakest cluster, with the tuned setting."""
    cores = _cluster(context, 0)
    return Background("pinned-little-tuned", context.board, context.jobs, cores, tuned=True)


def make_pinned_big(context: TrainingContext) -> Background:
    """On the strongest cluster."""
    return Background("pinned-big", context.board, context.jobs, _cluster(context, -1))


def _every_core(context: TrainingContext) -> tuple[int, ...]:
    return tuple(range(context.board.core_count))


def _cluster(context: TrainingContext, rank: int) -> tuple[int, ...]:
    """The cores of a cluster, by its rank in capacity."""
    return context.board.clusters[context.board.clusters_by_capacity[rank]].cores
