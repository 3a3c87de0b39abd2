"""Training jobs for tests of the baselines: on the HiKey 970, in the state that a test needs."""

from msgspec.structs import replace

from platforms.platform import Observation, TrainingReading
from platforms.training_work import load_training
from rm.planner.capability import Capability, modelled_capability
from rm.planner.plans import Limits
from rm.training.jobs import TrainingJobs
from rm.training.registry import TrainingContext
from tests.platforms.programs import simulated
from tests.rm.readings import HIKEY, observation

TRAINING = load_training("tiny-4")


def capability() -> Capability:
    """What the tiny transformer can do on the HiKey 970."""
    return modelled_capability(HIKEY, TRAINING.works, TRAINING.curve)


def at_work(*, samples: float = 1e6, temp_c: float = 60.0) -> TrainingContext:
    """A context whose only job, number 1, has a round to do."""
    jobs = TrainingJobs(HIKEY)
    number = jobs.register(capability(), name="tiny", now_s=0.0)
    jobs.begin_round(number, number=1, samples=samples, deadline_s=1e3, now_s=0.0)
    return TrainingContext(HIKEY, simulated(), jobs, Limits(temp_c=temp_c))


def seen(
    context: TrainingContext, time_s: float, *, samples: float = 0.0, waits: bool = False
) -> Observation:
    """The board at a time, the job on the cores of its grant with so many samples done."""
    job = context.jobs.get(1, time_s)
    cores = job.grant.cores if job.grant else ()
    reading = TrainingReading(1, samples, 0.0, cores, waits)
    utilisation = [float(core in cores) for core in range(HIKEY.core_count)]
    shown = observation(utilisation=utilisation, opp_index=(6, 8), time_s=time_s)
    return replace(shown, training=(reading,))
