"""How fast every application would run on every cluster, from what was seen of it so far.

An instruction takes ``cycles / f + stall`` seconds: the clock shortens the first part only. One
reading cannot tell the two apart, but two readings of one application at two frequencies can, and
the share ``stall / cycles`` belongs to the program: it stays what it is when a phase makes all of
it slower. So the share and the ratio of cycles between clusters are learnt slowly, as medians over
pairs of neighbouring readings, and the level is taken from the latest reading. Where nothing was
seen, `SpeedPriors` stand in.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Observation
from platforms.simulated.scheduler import place_threads

NEIGHBOURS_S = 0.35
"""Two readings this close are taken to be of one phase (a change of OPP or core lies between)."""

PAIRS_KEPT = 15
"""Pairs that a median goes over: a phase that changed within one pair is outvoted."""

LONGEST_STALL_S_PER_CYCLE = 3e-9
"""Pairs that say more measure something else (assumed: five times the worst program shipped)."""


class SpeedPriors(Struct, frozen=True, kw_only=True):
    """What holds of a program that was not seen at two frequencies, or not on some cluster.

    `stall_s_per_cycle` is stall over cycles; `cycles` are relative cycles per instruction, one per
    cluster: twice as many on a cluster whose cores need twice the cycles.
    """

    stall_s_per_cycle: float
    cycles: tuple[float, ...]

    @classmethod
    def of_constants(cls, board: Board, constants: Mapping[str, float]) -> "SpeedPriors":
        """As a policy file holds them (`constants`); InvalidInput where they cannot be right."""
        names = ["stall_s_per_cycle", *(f"cycles_on_{cluster.name}" for cluster in board.clusters)]
        stall_s_per_cycle, *cycles = (constants.get(name, -1.0) for name in names)
        if stall_s_per_cycle < 0.0 or min(cycles) <= 0.0:
            raise InvalidInput(
                f"the constants of a policy ilgov must be {', '.join(names)}, and not negative "
                f"(got {dict(constants)}); train it again with 'ilgov train-ilgov'"
            )
        return cls(stall_s_per_cycle=stall_s_per_cycle, cycles=tuple(cycles))

    def constants(self, board: Board) -> dict[str, float]:
        """What `of_constants` reads."""
        names = (f"cycles_on_{cluster.name}" for cluster in board.clusters)
        return {
            "stall_s_per_cycle": self.stall_s_per_cycle,
            **dict(zip(names, self.cycles, strict=True)),
        }


class _Reading(Struct, frozen=True, gc=False):
    """Seconds per instruction, as if the core were the application's alone."""

    time_s: float
    cluster: int
    freq_hz: float
    instruction_s: float


class _Seen:
    """What is known of one application."""

    __slots__ = ("last", "log_cycles", "stalls")

    def __init__(self) -> None:
        self.last: _Reading | None = None
        self.stalls: deque[float] = deque(maxlen=PAIRS_KEPT)
        self.log_cycles: dict[tuple[int, int], deque[float]] = {}


class SpeedEstimator:
    """Listens to every observation; `stall_aware` False takes all time for cycles (linear)."""

    def __init__(self, board: Board, priors: SpeedPriors, *, stall_aware: bool = True) -> None:
        """Nothing is known yet."""
        self._board = board
        self._priors = priors
        self._stall_aware = stall_aware
        self._seen: dict[int, _Seen] = {}
        self._cores: dict[int, tuple[int, ...]] = {}
        self._time_s = -math.inf

    def update(self, observation: Observation) -> None:
        """Learn from a round; the same round a second time teaches nothing.

        A window belongs to the mapping and the operating points that were decided at its start. Not
        so where somebody came or went within it; and who was moved at its start first had to refill
        its caches.
        """
        if observation.time_s == self._time_s:
            return
        self._time_s = observation.time_s
        cores = {app.id: app.cores for app in observation.applications}
        if cores.keys() == self._cores.keys():
            for number, reading in self._readings(observation).items():
                if self._cores[number] == cores[number]:
                    self._learn(self._seen.setdefault(number, _Seen()), reading)
        else:
            self._seen = {key: seen for key, seen in self._seen.items() if key in cores}
        self._cores = cores

    def stall_s_per_cycle(self, application_id: int) -> float:
        """Stall seconds per cycle of a program: its own as soon as two pairs tell."""
        seen = self._seen.get(application_id)
        return self._typical_stall(seen.stalls if seen else ())

    def instruction_s(
        self, observation: Observation, applications: Sequence[ApplicationReading]
    ) -> list[NDArray[np.float64]]:
        """Per cluster (applications, OPPs): seconds per instruction on a core of its own.

        Of an application of several threads it is what one of them takes.
        """
        readings = self._readings(observation)
        cycles = np.array([self._cycles(app.id, readings.get(app.id)) for app in applications])
        stalls = np.array([self.stall_s_per_cycle(app.id) for app in applications])
        cycles = cycles.reshape(len(applications), len(self._board.clusters))
        return [
            cycles[:, x, None] * (1.0 / np.array(cluster.freqs_hz) + stalls[:, None])
            for x, cluster in enumerate(self._board.clusters)
        ]

    def _typical_stall(self, stalls: Sequence[float]) -> float:
        if not self._stall_aware:
            return 0.0
        return median(stalls) if len(stalls) >= 2 else self._priors.stall_s_per_cycle

    def _readings(self, observation: Observation) -> dict[int, _Reading]:
        """What this round says of every application that does not stand still, by id.

        Threads are taken to be spread as the fair scheduler spreads them, and to share equally.
        """
        apps = observation.applications
        placed = place_threads([(app.threads, app.cores) for app in apps], self._board.core_count)
        load = Counter(core for cores in placed for core in cores)
        freqs_hz = self._board.freqs_hz_at(observation.opp_index)
        found = {}
        for app, cores in zip(apps, placed, strict=True):
            if app.rate_ips > 0.0:
                cluster = self._board.cluster_of_core[app.cores[0]]
                instruction_s = sum(1.0 / load[core] for core in cores) / app.rate_ips
                found[app.id] = _Reading(
                    observation.time_s, cluster, freqs_hz[cluster], instruction_s
                )
        return found

    def _learn(self, seen: _Seen, reading: _Reading) -> None:
        last = seen.last
        if last is not None and reading.time_s - last.time_s < NEIGHBOURS_S:
            if last.cluster != reading.cluster:
                self._learn_ratio(seen, last, reading)
            elif last.freq_hz != reading.freq_hz:
                _learn_stall(seen, last, reading)
        seen.last = reading

    def _learn_ratio(self, seen: _Seen, last: _Reading, reading: _Reading) -> None:
        stall = self._typical_stall(seen.stalls)
        log_ratio = math.log(_cycles_of(reading, stall) / _cycles_of(last, stall))
        for key, value in (
            ((last.cluster, reading.cluster), log_ratio),
            ((reading.cluster, last.cluster), -log_ratio),
        ):
            seen.log_cycles.setdefault(key, deque(maxlen=PAIRS_KEPT)).append(value)

    def _cycles(self, application_id: int, now: _Reading | None) -> list[float]:
        """Cycles per instruction on every cluster; infinite of one that never ran."""
        seen = self._seen.get(application_id)
        reading = seen.last if seen is not None and seen.last is not None else now
        clusters = range(len(self._board.clusters))
        if reading is None:
            return [math.inf for _ in clusters]
        here = _cycles_of(reading, self.stall_s_per_cycle(application_id))
        prior = self._priors.cycles
        cycles = []
        for cluster in clusters:
            learnt = seen.log_cycles.get((reading.cluster, cluster)) if seen else None
            if learnt:
                cycles.append(here * math.exp(median(learnt)))
            else:
                cycles.append(here * prior[cluster] / prior[reading.cluster])
        return cycles


def _cycles_of(reading: _Reading, stall_s_per_cycle: float) -> float:
    return reading.instruction_s / (1.0 / reading.freq_hz + stall_s_per_cycle)


def _learn_stall(seen: _Seen, last: _Reading, reading: _Reading) -> None:
    """Solve ``t1 / t2 = (1 / f1 + u) / (1 / f2 + u)`` for the stall per cycle u."""
    difference_s = last.instruction_s - reading.instruction_s
    if difference_s == 0.0:
        return
    stall = (reading.instruction_s / last.freq_hz - last.instruction_s / reading.freq_hz) / (
        difference_s
    )
    if -0.02 * LONGEST_STALL_S_PER_CYCLE <= stall <= LONGEST_STALL_S_PER_CYCLE:
        seen.stalls.append(max(stall, 0.0))
