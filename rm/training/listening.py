"""What a policy learns of training and of heat from the rounds that it sees."""

from collections.abc import Mapping, Sequence

from platforms.board import Board
from platforms.platform import Observation, TrainingReading
from platforms.simulated.power import PowerModel
from rm.training.heat_observer import HeatObserver
from rm.training.job import Job
from rm.training.job_modes import JobModes
from rm.training.jobs import TrainingJobs
from rm.training.steady_sensors import SteadySensors


class Listening:
    """Keeps the modes of every job, as they were measured, and the heat observer."""

    def __init__(self, board: Board, jobs: TrainingJobs) -> None:
        """Nothing was seen yet."""
        self._board, self._jobs = board, jobs
        self._power = PowerModel(board)
        nodes = [node.name for node in board.thermal.nodes]
        self._node_names = {
            one.name: one.power.node for one in board.accelerators if one.power is not None
        }
        heated = [nodes.index(node) for node in self._node_names.values()]
        self._watched = [*self._power.core_nodes.tolist(), *heated]
        self._modes: dict[int, JobModes] = {}
        self.observer = HeatObserver(board)
        self._sensors = SteadySensors()
        self.heard: Observation | None = None

    def hear(self, observation: Observation, memory_load: float) -> bool:
        """Learn from a round, in which applications load the memory so; False: it was heard.

        While there is no job the round is only remembered.
        """
        if self.heard is not None and observation.time_s == self.heard.time_s:
            return False
        self.heard = observation
        self._sensors.hear(observation)
        alive = {job.id: job for job in self._jobs.alive(observation.time_s)}
        if alive:
            self._hear_of(alive, observation, memory_load)
        else:
            self._modes.clear()
            self.observer.remember(observation)
        return True

    @property
    def hottest_c(self) -> float:
        """The hottest of the sensors and, as far as the observer knows, of what computes, degC."""
        field = self.observer.temperatures_c
        if field is None:
            return self._sensors.hottest_c
        return max(self._sensors.hottest_c, float(field[self._watched].max()))

    def modes_of(self, job: Job) -> JobModes:
        """What can be granted to a job."""
        if job.id not in self._modes:
            self._modes[job.id] = JobModes(self._board, job)
        return self._modes[job.id]

    def _hear_of(
        self, alive: Mapping[int, Job], observation: Observation, memory_load: float
    ) -> None:
        """Learn from a round with these jobs."""
        self._modes = {key: modes for key, modes in self._modes.items() if key in alive}
        switching: dict[int, float] = {}
        node_w: dict[str, float] = {}
        for reading in observation.training:
            job = alive.get(reading.id)
            if job is not None:
                modes = self.modes_of(job)
                mode = self._mode(modes, job, reading, observation)
                _learn(modes, mode, reading.samples, observation, memory_load)
                if mode is not None and not reading.waits:
                    activity = modes.activity(self._power, mode)
                    switching |= dict.fromkeys(reading.cores, activity)
                    node = self._node_of(reading)
                    if node is not None:
                        node_w[node] = float(modes.table.mean_w[mode])
        self.observer.update(observation, switching, node_w=node_w)

    def _node_of(self, reading: TrainingReading) -> str | None:
        """The thermal node that a job heats beside the cores."""
        return None if reading.accelerator is None else self._node_names.get(reading.accelerator)

    def _mode(
        self, modes: JobModes, job: Job, reading: TrainingReading, observation: Observation
    ) -> int | None:
        """The mode in which a job trains, None where it does not, or where no table holds it."""
        if job.grant is None:
            return None
        if reading.accelerator is not None:
            compute = [one.name for one in self._board.compute_accelerators]
            opp = observation.accelerator_opp[compute.index(reading.accelerator)]
            every = [one.name for one in self._board.accelerators]
            unit = len(self._board.clusters) + every.index(reading.accelerator)
            return modes.find(job.setting, unit, 0, opp)
        clusters = _clusters(self._board, reading.cores)
        if len(clusters) != 1:
            return None
        (unit,) = clusters
        return modes.find(job.setting, unit, len(reading.cores), observation.opp_index[unit])


def _clusters(board: Board, cores: Sequence[int]) -> set[int]:
    return {board.cluster_of_core[core] for core in cores}


def _learn(
    modes: JobModes, mode: int | None, samples: float, seen: Observation, memory_load: float
) -> None:
    """How many samples came, and how many were to be expected."""
    if mode is None:
        modes.pace.hear(seen.time_s, seen.window_s, None, samples, 0.0)
        return
    per_s = modes.expected_per_s(mode, memory_load)
    modes.pace.hear(seen.time_s, seen.window_s, modes.place(mode), samples, per_s)
