"""How fast every application would run on every cluster, from what was seen of it so far.

An instruction takes ``cycles / f + stall slowdown`` seconds: the clock shortens the first part
only, and others' traffic lengthens the second (`rm.mapping.memory`). One reading cannot tell the
two apart, but two readings of one application at two frequencies can, and the share ``stall /
cycles`` belongs to the program: it stays what it is when a phase makes all of it slower. So the
share and the ratio of cycles between clusters are learnt slowly, as medians over pairs of
neighbouring readings. The level is taken from the latest reading, or from where it went the last
time that a phase turned here (`rm.phases`). Where nothing was seen, `SpeedPriors` stand in.
"""

import math
from collections import Counter, deque
from collections.abc import Sequence
from statistics import median

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.board import Board
from platforms.platform import ApplicationReading, Observation
from platforms.simulated.scheduler import place_threads
from rm.mapping.memory import slowdowns
from rm.phases import Phases
from rm.speed_priors import SpeedPriors

NEIGHBOURS_S = 0.35
"""Two readings this close are taken to be of one phase (a change of OPP or core lies between)."""

PAIRS_KEPT = 15
"""Pairs that a median goes over: a phase that changed within one pair is outvoted."""

LONGEST_STALL_S_PER_CYCLE = 3e-9
"""Pairs that say more measure something else (assumed: five times the worst program shipped)."""

UNLIKELY = 1.8
"""One pair that tells of so many times the usual ratio of cycles between clusters, or of so small a
part of it, is taken for a phase that turned in between; a second one is believed (chosen)."""


class _Reading(Struct, frozen=True, gc=False):
    """Seconds per instruction, as if the core were the application's alone.

    Stalls were `slowdown` times as long as on an idle memory.
    """

    time_s: float
    cluster: int
    freq_hz: float
    instruction_s: float
    slowdown: float

    def cycles(self, stall_s_per_cycle: float) -> float:
        """Cycles per instruction of a program with this share of stalls."""
        return self.instruction_s / (1.0 / self.freq_hz + stall_s_per_cycle * self.slowdown)


class _Seen:
    """What is known of one application: `stalls` per cycle with the cluster of each.

    `ahead` is the logarithm of how much slower than the last reading it is about to be. `ratios`
    and `usual_stalls` are what follows from the pairs, by clusters, kept until another pair comes.
    """

    __slots__ = ("ahead", "last", "log_cycles", "phases", "ratios", "stalls", "usual_stalls")

    def __init__(self) -> None:
        self.ahead = 0.0
        self.ratios: dict[tuple[int, int], float] = {}
        self.usual_stalls: dict[int, float] = {}
        self.phases = Phases()
        self.last: _Reading | None = None
        self.stalls: deque[tuple[int, float]] = deque(maxlen=PAIRS_KEPT)
        self.log_cycles: dict[tuple[int, int], deque[float]] = {}

    def forget_conclusions(self) -> None:
        """Another pair came: work out ratios and stalls anew."""
        self.ratios.clear()
        self.usual_stalls.clear()


class SpeedEstimator:
    """Listens to every observation; `stall_aware` False takes all time for cycles (linear)."""

    def __init__(self, board: Board, priors: SpeedPriors, *, stall_aware: bool = True) -> None:
        """Nothing is known yet."""
        self._board = board
        self._priors = priors
        self._stall_aware = stall_aware
        self._reference = board.clusters_by_capacity[-1]
        self._stalls = priors.stalls or priors.cycles
        self._seen: dict[int, _Seen] = {}
        self._cores: dict[int, tuple[int, ...]] = {}
        self._time_s = -math.inf
        self._now: dict[int, _Reading] = {}
        self._allowed: list[tuple[int, tuple[int, ...]]] = []
        self._placed: list[tuple[int, ...]] = []
        self._threads: list[tuple[int, float, float, float, float]] = []
        self._factors: list[float] = []

    def update(self, observation: Observation) -> None:
        """Learn from a round; the same round a second time teaches nothing.

        A window belongs to the mapping and the operating points that were decided at its start. Not
        so where somebody came or went within it; and who was moved at its start first had to refill
        its caches.
        """
        if observation.time_s == self._time_s:
            return
        self._time_s = observation.time_s
        self._now = self._readings(observation)
        cores = {app.id: app.cores for app in observation.applications}
        if cores.keys() == self._cores.keys():
            for number, reading in self._now.items():
                if self._cores[number] == cores[number]:
                    self._learn(self._seen.setdefault(number, _Seen()), reading)
        else:
            self._seen = {key: seen for key, seen in self._seen.items() if key in cores}
        self._cores = cores

    def stall_s_per_cycle(self, application_id: int, cluster: int | None = None) -> float:
        """Stall seconds per cycle of a program: its own as soon as two pairs tell.

        On a cluster, or on that where it was seen last (None), and on an idle memory.
        """
        seen = self._seen.get(application_id)
        if cluster is None:
            last = seen and seen.last
            cluster = last.cluster if last else self._reference
        return self._stall_of(seen, cluster)

    def slowdown(self, application_id: int) -> float:
        """By how much others' traffic lengthens its stalls now, as far as is known."""
        reading = self._now.get(application_id)
        return reading.slowdown if reading else 1.0

    def memory_per_stall(self, cluster: int) -> float:
        """For how much of a stall on a cluster the memory is busy with it."""
        if not self._stall_aware:
            return 0.0
        ratio = self._stalls[self._reference] / self._stalls[cluster]
        return self._priors.memory_per_stall * ratio

    def instruction_s(
        self, observation: Observation, applications: Sequence[ApplicationReading]
    ) -> list[NDArray[np.float64]]:
        """Per cluster (applications, OPPs): seconds per instruction on a core of its own.

        On an idle memory. Of an application of several threads it is what one of them takes.
        """
        readings = self._readings(observation)
        cycles = [self._cycles(app.id, readings.get(app.id)) for app in applications]
        table = np.array(cycles).reshape(len(applications), len(self._board.clusters))
        found = []
        for x, cluster in enumerate(self._board.clusters):
            stalls = np.array([self.stall_s_per_cycle(app.id, x) for app in applications])
            per_cycle = 1.0 / np.array(cluster.freqs_hz) + stalls[:, None]
            found.append(table[:, x, None] * per_cycle)
        return found

    def _stall_of(self, seen: _Seen | None, cluster: int) -> float:
        if not self._stall_aware:
            return 0.0
        if seen is None:
            return self._stall_from_pairs(None, cluster)
        stall = seen.usual_stalls.get(cluster)
        if stall is None:
            stall = seen.usual_stalls[cluster] = self._stall_from_pairs(seen, cluster)
        return stall

    def _stall_from_pairs(self, seen: _Seen | None, cluster: int) -> float:
        if seen is not None and len(seen.stalls) >= 2:
            return median(
                stall * self._stall_ratio(seen, source, cluster) for source, stall in seen.stalls
            )
        ratio = self._stall_ratio(seen, self._reference, cluster)
        return self._priors.stall_s_per_cycle * ratio

    def _ratio(self, seen: _Seen | None, source: int, target: int) -> float:
        """Cycles on one cluster over those on another."""
        if seen is None:
            return self._ratio_from_pairs(None, source, target)
        ratio = seen.ratios.get((source, target))
        if ratio is None:
            ratio = seen.ratios[source, target] = self._ratio_from_pairs(seen, source, target)
        return ratio

    def _ratio_from_pairs(self, seen: _Seen | None, source: int, target: int) -> float:
        usual = self._priors.cycles[target] / self._priors.cycles[source]
        learnt = seen.log_cycles.get((source, target)) if seen else None
        if not learnt:
            return usual
        ratio = math.exp(median(learnt))
        if len(learnt) == 1 and not usual / UNLIKELY < ratio < usual * UNLIKELY:
            return usual
        return ratio

    def _stall_ratio(self, seen: _Seen | None, source: int, target: int) -> float:
        """Stall seconds per cycle on one cluster over those on another."""
        if source == target:
            return 1.0
        stalls = self._stalls[target] / self._stalls[source]
        return stalls / self._ratio(seen, source, target)

    def _readings(self, observation: Observation) -> dict[int, _Reading]:
        """What this round says of every application that does not stand still, by id.

        Threads are taken to be spread as the fair scheduler spreads them, and to share equally.
        """
        apps = observation.applications
        placed = self._place(apps)
        load = Counter(core for cores in placed for core in cores)
        freqs_hz = self._board.freqs_hz_at(observation.opp_index)
        slower = self._slowdowns(apps, placed, load, freqs_hz)
        found = {}
        for app, cores in zip(apps, placed, strict=True):
            if app.rate_ips > 0.0:
                cluster = self._board.cluster_of_core[app.cores[0]]
                instruction_s = sum(1.0 / load[core] for core in cores) / app.rate_ips
                found[app.id] = _Reading(
                    observation.time_s, cluster, freqs_hz[cluster], instruction_s, slower[app.id]
                )
        return found

    def _place(self, apps: Sequence[ApplicationReading]) -> list[tuple[int, ...]]:
        """The core of every thread, worked out anew only where something has changed."""
        allowed = [(app.threads, app.cores) for app in apps]
        if allowed != self._allowed:
            self._placed = place_threads(allowed, self._board.core_count)
            self._allowed = allowed
        return self._placed

    def _slowdowns(
        self,
        apps: Sequence[ApplicationReading],
        placed: Sequence[Sequence[int]],
        load: Counter[int],
        freqs_hz: Sequence[int],
    ) -> dict[int, float]:
        """By how much the traffic of all that runs lengthens the stalls of each, by id."""
        if self._priors.memory_per_stall == 0.0 or not self._stall_aware or len(load) < 2:
            return dict.fromkeys((app.id for app in apps), 1.0)
        threads = [
            (core, 1.0 / load[core], 1.0 / freqs_hz[x], stall, stall * self.memory_per_stall(x))
            for app, cores in zip(apps, placed, strict=True)
            for x in [self._board.cluster_of_core[cores[0]]]
            for stall in [self.stall_s_per_cycle(app.id, x)]
            for core in cores
        ]
        if threads != self._threads:  # in most rounds they are as they were
            core, *columns = (np.array(column)[None, :] for column in zip(*threads, strict=True))
            self._threads, self._factors = threads, slowdowns(core, *columns)[0].tolist()
        factors = iter(self._factors)
        return {
            app.id: max(next(factors) for _ in cores)
            for app, cores in zip(apps, placed, strict=True)
        }

    def _learn(self, seen: _Seen, reading: _Reading) -> None:
        last = seen.last
        if last is not None and reading.time_s - last.time_s < NEIGHBOURS_S:
            if last.cluster != reading.cluster:
                self._learn_ratio(seen, last, reading)
            elif last.freq_hz != reading.freq_hz:
                _learn_stall(seen, last, reading)
        seen.last = reading
        cycles = reading.cycles(self._stall_of(seen, reading.cluster))
        on_reference = cycles * self._ratio(seen, reading.cluster, self._reference)
        seen.ahead = seen.phases.hear(math.log(on_reference))

    def _learn_ratio(self, seen: _Seen, last: _Reading, reading: _Reading) -> None:
        """What an instruction takes beyond its stalls on one of both is cycles on the other."""
        known, other = last, reading
        if seen.stalls and seen.stalls[-1][0] == reading.cluster:
            known, other = reading, last
        stall = self._stall_of(seen, known.cluster)
        cycles = known.cycles(stall)
        stall_s = stall * cycles * self._stalls[other.cluster] / self._stalls[known.cluster]
        there = (other.instruction_s - stall_s * other.slowdown) * other.freq_hz
        if there <= 0.0:
            return
        for key, value in (
            ((known.cluster, other.cluster), math.log(there / cycles)),
            ((other.cluster, known.cluster), math.log(cycles / there)),
        ):
            seen.log_cycles.setdefault(key, deque(maxlen=PAIRS_KEPT)).append(value)
        seen.forget_conclusions()

    def _cycles(self, application_id: int, now: _Reading | None) -> list[float]:
        """Cycles per instruction on every cluster; infinite of one that never ran."""
        seen = self._seen.get(application_id)
        reading = seen.last if seen is not None and seen.last is not None else now
        clusters = range(len(self._board.clusters))
        if reading is None:
            return [math.inf for _ in clusters]
        here = reading.cycles(self.stall_s_per_cycle(application_id, reading.cluster))
        if seen is not None:
            here *= math.exp(seen.ahead)
        return [here * self._ratio(seen, reading.cluster, cluster) for cluster in clusters]


def _learn_stall(seen: _Seen, last: _Reading, reading: _Reading) -> None:
    """Solve ``t1 / t2 = (1 / f1 + u s1) / (1 / f2 + u s2)`` for the stall per cycle u."""
    difference_s = last.instruction_s * reading.slowdown - reading.instruction_s * last.slowdown
    if difference_s == 0.0:
        return
    stall = (reading.instruction_s / last.freq_hz - last.instruction_s / reading.freq_hz) / (
        difference_s
    )
    if -0.02 * LONGEST_STALL_S_PER_CYCLE <= stall <= LONGEST_STALL_S_PER_CYCLE:
        seen.stalls.append((last.cluster, max(stall, 0.0)))
        seen.forget_conclusions()
