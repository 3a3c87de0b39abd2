"""What the kernel knows of its run queues, rebuilt from what a governor is shown.

A governor sees how busy each core was and which applications are on it. Threads that share a core
are taken to share its time equally, as the fair scheduler gives it; threads that may run on several
cores are taken to be spread as the scheduler spreads them. A core without applications still shows
what unregistered programs use of it.
"""

from collections.abc import Iterator

from msgspec import Struct

from platforms.board import Board
from platforms.platform import ApplicationReading, Observation
from platforms.simulated.scheduler import place_threads
from rm.policies.energy_model import EnergyModel
from rm.policies.pelt import CAPACITY_SCALE, Utilisation, Window

SATURATED = 0.999
"""Busy share from which on a core counts as never idle (assumed: a tick's worth of rounding)."""


class Task(Struct, frozen=True):
    """An application of one thread: the only ones that a policy moves core by core."""

    id: int
    core: int
    util: float


class Team(Struct, frozen=True):
    """An application of several threads: the core and the utilisation of each."""

    id: int
    cores: tuple[int, ...]
    utils: tuple[float, ...]


class Landscape(Struct, frozen=True):
    """The utilisation landscape: tasks, teams; per core its utilisation and number of threads.

    A core's utilisation is the sum of its threads' (the runqueue's util_est, which is at least its
    running average).
    """

    tasks: tuple[Task, ...]
    core_util: tuple[float, ...]
    core_threads: tuple[int, ...]
    teams: tuple[Team, ...] = ()


class RunQueues:
    """Tracks the utilisation of every thread from observation to observation."""

    def __init__(self, board: Board, model: EnergyModel) -> None:
        """Nothing runs."""
        self._board = board
        self._model = model
        self._threads: dict[tuple[int, int], Utilisation] = {}
        self._others = [Utilisation(0.0)] * board.core_count
        self._landscape = Landscape((), (0.0,) * board.core_count, (0,) * board.core_count)

    def follow(self, observation: Observation) -> Landscape:
        """Fold the observation's window into the signals."""
        placed = dict(_placed(observation, self._board.core_count))
        core_threads = [0] * self._board.core_count
        for core in placed.values():
            core_threads[core] += 1
        windows = self._windows(observation, core_threads)
        self._threads = {
            thread: self._known(thread, core).after(windows[core])
            for thread, core in placed.items()
        }
        self._others = [
            Utilisation(0.0) if threads else other.after(window)
            for other, window, threads in zip(self._others, windows, core_threads, strict=True)
        ]
        self._landscape = self._seen(observation, placed, core_threads)
        return self._landscape

    def _known(self, thread: tuple[int, int], core: int) -> Utilisation:
        """A thread's signals so far; a newcomer's is half of what its core has left.

        As post_init_entity_util_avg on an idle core.
        """
        if thread in self._threads:
            return self._threads[thread]
        left = self._model.core_capacity[core] - self._landscape.core_util[core]
        return Utilisation(max(0.0, left / 2.0))

    def _windows(self, observation: Observation, core_threads: list[int]) -> list[Window]:
        """For each core what one of its threads did, or its other programs where it has none."""
        board, opps = self._board, observation.opp_index
        windows = []
        for core, busy in enumerate(observation.core_utilisation):
            cluster = board.cluster_of_core[core]
            freqs_hz = board.clusters[cluster].freqs_hz
            speed = self._model.core_capacity[core] / CAPACITY_SCALE
            speed *= freqs_hz[opps[cluster]] / freqs_hz[-1]
            share = busy / max(1, core_threads[core])
            windows.append(Window(observation.window_s, share, speed, busy < SATURATED))
        return windows

    def _seen(
        self,
        observation: Observation,
        placed: dict[tuple[int, int], int],
        core_threads: list[int],
    ) -> Landscape:
        core_util = [other.value for other in self._others]
        for thread, core in placed.items():
            core_util[core] += self._threads[thread].value
        tasks = [
            Task(app.id, app.cores[0], self._threads[app.id, 0].value)
            for app in observation.applications
            if app.threads == 1
        ]
        teams = [
            Team(app.id, *self._of(placed, app))
            for app in observation.applications
            if app.threads > 1
        ]
        return Landscape(tuple(tasks), tuple(core_util), tuple(core_threads), tuple(teams))

    def _of(
        self, placed: dict[tuple[int, int], int], app: ApplicationReading
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        """The cores of an application's threads, and their utilisation."""
        keys = [(app.id, number) for number in range(app.threads)]
        return tuple([placed[key] for key in keys]), tuple(
            [self._threads[key].value for key in keys]
        )


def _placed(observation: Observation, core_count: int) -> Iterator[tuple[tuple[int, int], int]]:
    """The core of every thread, by application and number."""
    apps = observation.applications
    cores = place_threads([(app.threads, app.cores) for app in apps], core_count)
    for app, of_threads in zip(apps, cores, strict=True):
        for number, core in enumerate(of_threads):
            yield (app.id, number), core
