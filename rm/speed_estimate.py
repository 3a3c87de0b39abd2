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
from numpy.typing import NDArray

from platforms.board import Board
from platforms.platform import ApplicationReading, Observation
from platforms.simulated.scheduler import place_threads
from rm.mapping.memory import slowdowns
from rm.seen_program import PAIRS_KEPT, Place, Seen
from rm.speed_priors import SpeedPriors

NEIGHBOURS_S = 0.35
"""Two readings this close are taken to be of one phase (a change of OPP or core lies between)."""

LONGEST_STALL_S_PER_CYCLE = 3e-9
"""Pairs that say more measure something else (assumed: five times the worst program shipped)."""

UNLIKELY = 1.8
"""One pair that tells of so many times the usual ratio of cycles between clusters, or of so small a
part of it, is taken for a phase that turned in between; a second one is believed (chosen)."""

MOST_UNHEARD = 32
"""Rounds after which phases are followed though nobody asks: the list must end somewhere."""


_Present = tuple[list[int], list[tuple[int, ...]], list[int]]
"""Of every application its id, its cores, and how many threads it has."""


class SpeedEstimator:
    """Listens to every observation; `stall_aware` False takes all time for cycles (linear).

    `heard` is the last one. `lessons` counts those after which `seats` or `places` may be others
    than before: in most rounds it stays as it is.
    """

    def __init__(self, board: Board, priors: SpeedPriors, *, stall_aware: bool = True) -> None:
        """Nothing is known yet."""
        self._board = board
        self._priors = priors
        self._stall_aware = stall_aware
        self._reference = board.clusters_by_capacity[-1]
        self._stalls = priors.stalls or priors.cycles
        self._seen: dict[int, Seen] = {}
        self._time_s = -math.inf
        self.heard: Observation | None = None
        self.lessons = 0
        self._seats: list[tuple[int, tuple[int, ...]]] = []
        self._present: _Present = ([], [], [])
        self._opps: tuple[int, ...] = ()
        self._places: list[Place] = []
        self._has_learnt = False
        self._is_even = False
        self._unheard: list[tuple[float, list[float]]] = []
        self._allowed: list[tuple[int, tuple[int, ...]]] = []
        self._placed: list[tuple[int, ...]] = []
        self._threads: list[tuple[int, float, float, float, float]] = []
        self._factors: list[float] = []
        self._per_hz = [1.0 / np.array(cluster.freqs_hz) for cluster in board.clusters]
        self._stalls_then: list[list[float]] | None = None
        self._per_cycle: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])

    def update(self, observation: Observation) -> None:
        """Learn from a round; the same round a second time teaches nothing.

        A window belongs to the mapping and the operating points that were decided at its start. Not
        so where somebody came or went within it; and who was moved at its start first had to refill
        its caches.
        """
        if observation.time_s == self._time_s:
            return
        self._time_s, self.heard = observation.time_s, observation
        apps, before = observation.applications, self._seats
        ids, cores, threads, rates_ips = [], [], [], []
        for app in apps:
            ids.append(app.id)
            cores.append(app.cores)
            threads.append(app.threads)
            rates_ips.append(app.rate_ips)
        ids_before, cores_before, threads_before = self._present
        moved = cores != cores_before or ids != ids_before
        changed = moved or threads != threads_before or observation.opp_index != self._opps
        if not changed and self._is_even:
            # As in most rounds: nothing to be set against each other, and how far programs are
            # within their phases is worked out when somebody asks.
            self._unheard.append((observation.time_s, rates_ips))
            if len(self._unheard) >= MOST_UNHEARD:
                self._hear()
            return
        self._hear()
        self.lessons += 1
        if changed or self._has_learnt:
            self._seats = list(zip(ids, cores, strict=True))
            self._present, self._opps = (ids, cores, threads), observation.opp_index
            self._places = self._found_places(observation)
            self._has_learnt = False
        if moved:
            self._learn_of_the_unmoved(apps, before)
        else:
            for app, place in zip(apps, self._places, strict=True):
                if app.rate_ips > 0.0:
                    self._learn(app, place)
        self._is_even = not self._has_learnt and self._have_all_been_heard()

    def seats(self, observation: Observation) -> list[tuple[int, tuple[int, ...]]]:
        """Who is on which cores; the same list from round to round while that stays as it is."""
        if observation is self.heard:
            return self._seats
        return [(app.id, app.cores) for app in observation.applications]

    def stall_s_per_cycle(self, application_id: int, cluster: int | None = None) -> float:
        """Stall seconds per cycle of a program: its own as soon as two pairs tell.

        On a cluster, or on that where it was seen last (None), and on an idle memory.
        """
        seen = self._seen.get(application_id)
        if cluster is None:
            place = seen and seen.place
            cluster = place.cluster if place else self._reference
        return self._stall_of(seen, cluster)

    def places(self, observation: Observation) -> Sequence[Place]:
        """Where every application of an observation is, in its order, by all that is known now.

        Others' traffic is taken as it was before the last round taught anything.
        """
        if observation is not self.heard:
            return self._found_places(observation)
        if self._has_learnt:
            pairs = zip(observation.applications, self._places, strict=True)
            return [self._place_again(app.id, place) for app, place in pairs]
        return self._places

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
        self._hear()
        cycles = [self._cycles(observation, app.id) for app in applications]
        per_cycle = self._seconds_per_cycle(applications)[1]
        by_cluster = zip(*cycles, strict=True) if cycles else [()] * len(per_cycle)
        pairs = zip(by_cluster, per_cycle, strict=True)
        return [np.array(of_cluster)[:, None] * seconds for of_cluster, seconds in pairs]

    def stalls_s_per_cycle(
        self, applications: Sequence[ApplicationReading]
    ) -> list[NDArray[np.float64]]:
        """`stall_s_per_cycle` of several, per cluster (applications,)."""
        return self._seconds_per_cycle(applications)[0]

    def _seconds_per_cycle(
        self, applications: Sequence[ApplicationReading]
    ) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
        """Per cluster the stalls (applications,) and all of it (applications, OPPs).

        Worked out anew only where something was learnt.
        """
        stalls = [self._stalls_of(self._seen.get(app.id)) for app in applications]
        if stalls != self._stalls_then:
            columns = [[one[x] for one in stalls] for x in range(len(self._per_hz))]
            arrays = [np.array(column) for column in columns]
            pairs = zip(self._per_hz, arrays, strict=True)
            per_cycle = [per_hz + of_cluster[:, None] for per_hz, of_cluster in pairs]
            self._stalls_then, self._per_cycle = stalls, (arrays, per_cycle)
        return self._per_cycle

    def _stalls_of(self, seen: Seen | None) -> list[float]:
        """Stall seconds per cycle on every cluster."""
        if seen is None:
            return [self._stall_of(None, x) for x in range(len(self._per_hz))]
        if not seen.stalls_on:
            seen.stalls_on = [self._stall_of(seen, x) for x in range(len(self._per_hz))]
        return seen.stalls_on

    def _ratios_from(self, seen: Seen | None, source: int) -> list[float]:
        """Cycles on every cluster over those on one."""
        found = seen.ratios_from.get(source) if seen else None
        if found is None:
            found = [self._ratio(seen, source, target) for target in range(len(self._per_hz))]
            if seen:
                seen.ratios_from[source] = found
        return found

    def _stall_of(self, seen: Seen | None, cluster: int) -> float:
        if not self._stall_aware:
            return 0.0
        if seen is None:
            return self._stall_from_pairs(None, cluster)
        stall = seen.usual_stalls.get(cluster)
        if stall is None:
            stall = seen.usual_stalls[cluster] = self._stall_from_pairs(seen, cluster)
        return stall

    def _stall_from_pairs(self, seen: Seen | None, cluster: int) -> float:
        if seen is not None and len(seen.stalls) >= 2:
            return median(
                stall * self._stall_ratio(seen, source, cluster) for source, stall in seen.stalls
            )
        ratio = self._stall_ratio(seen, self._reference, cluster)
        return self._priors.stall_s_per_cycle * ratio

    def _ratio(self, seen: Seen | None, source: int, target: int) -> float:
        """Cycles on one cluster over those on another."""
        if seen is None:
            return self._ratio_from_pairs(None, source, target)
        ratio = seen.ratios.get((source, target))
        if ratio is None:
            ratio = seen.ratios[source, target] = self._ratio_from_pairs(seen, source, target)
        return ratio

    def _ratio_from_pairs(self, seen: Seen | None, source: int, target: int) -> float:
        usual = self._priors.cycles[target] / self._priors.cycles[source]
        learnt = seen.log_cycles.get((source, target)) if seen else None
        if not learnt:
            return usual
        ratio = math.exp(median(learnt))
        if len(learnt) == 1 and not usual / UNLIKELY < ratio < usual * UNLIKELY:
            return usual
        return ratio

    def _stall_ratio(self, seen: Seen | None, source: int, target: int) -> float:
        """Stall seconds per cycle on one cluster over those on another."""
        if source == target:
            return 1.0
        stalls = self._stalls[target] / self._stalls[source]
        return stalls / self._ratio(seen, source, target)

    def _found_places(self, observation: Observation) -> list[Place]:
        """Where every application is, worked out from the beginning.

        Threads are taken to be spread as the fair scheduler spreads them, and to share equally.
        """
        apps = observation.applications
        placed = self._place(apps)
        load = Counter(core for cores in placed for core in cores)
        freqs_hz = self._board.freqs_hz_at(observation.opp_index)
        slower = self._slowdowns(apps, placed, load, freqs_hz)
        found = []
        for app, cores, slowdown in zip(apps, placed, slower, strict=True):
            cluster = self._board.cluster_of_core[app.cores[0]]
            share = sum(1.0 / load[core] for core in cores)
            found.append(self._place_at(app.id, cluster, freqs_hz[cluster], share, slowdown))
        return found

    def _place_again(self, application_id: int, place: Place) -> Place:
        """The same place, by what has been learnt meanwhile."""
        return self._place_at(
            application_id, place.cluster, place.freq_hz, place.share, place.slowdown
        )

    def _place_at(
        self, application_id: int, cluster: int, freq_hz: int, share: float, slowdown: float
    ) -> Place:
        seen = self._seen.get(application_id)
        stall_s = self._stall_of(seen, cluster) * slowdown
        on_reference = self._ratio(seen, cluster, self._reference)
        cycle_s = 1.0 / freq_hz + stall_s
        return Place(cluster, freq_hz, share, slowdown, stall_s, cycle_s, on_reference)

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
    ) -> list[float]:
        """By how much the traffic of all that runs lengthens the stalls of each."""
        if self._priors.memory_per_stall == 0.0 or not self._stall_aware or len(load) < 2:
            return [1.0] * len(apps)
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
        return [max([next(factors) for _ in cores]) for cores in placed]

    def _hear(self) -> None:
        """Follow the phases through the rounds in which nothing else was to be learnt."""
        unheard, self._unheard = self._unheard, []
        if not unheard:
            return
        times_s, rates_ips = zip(*unheard, strict=True)
        columns = zip(*rates_ips, strict=True)
        for (number, _), place, column in zip(self._seats, self._places, columns, strict=True):
            self._seen[number].hear_again(place, times_s, column)

    def _have_all_been_heard(self) -> bool:
        """Whether the last reading of each is of where it is now."""
        seen = [self._seen.get(number) for number, _ in self._seats]
        pairs = zip(seen, self._places, strict=True)
        return all(one is not None and one.place is place for one, place in pairs)

    def _learn_of_the_unmoved(
        self,
        applications: Sequence[ApplicationReading],
        before: Sequence[tuple[int, tuple[int, ...]]],
    ) -> None:
        """Learn where the same applications are there as `before`; forget those that are gone."""
        cores = dict(before)
        present = {app.id for app in applications}
        if cores.keys() != present:
            self._seen = {key: seen for key, seen in self._seen.items() if key in present}
            return
        for app, place in zip(applications, self._places, strict=True):
            if app.rate_ips > 0.0 and app.cores == cores[app.id]:
                self._learn(app, place)

    def _learn(self, app: ApplicationReading, place: Place) -> None:
        seen = self._seen.get(app.id)
        if seen is None:
            seen = self._seen[app.id] = Seen()
        instruction_s = place.share / app.rate_ips
        if place is not seen.place and self._learn_from_pair(seen, place, instruction_s):
            place = self._place_again(app.id, place)
        seen.hear(place, instruction_s, self._time_s)

    def _learn_from_pair(self, seen: Seen, place: Place, instruction_s: float) -> bool:
        """Set a reading against the one before it; whether that taught anything."""
        last = seen.place
        if last is None or self._time_s - seen.time_s >= NEIGHBOURS_S:
            return False
        if last.cluster != place.cluster:
            learnt = self._learn_ratio(seen, last, place, instruction_s)
        elif last.freq_hz != place.freq_hz:
            learnt = _learn_stall(seen, last, place, instruction_s)
        else:
            return False
        self._has_learnt = self._has_learnt or learnt
        return learnt

    def _learn_ratio(self, seen: Seen, last: Place, place: Place, instruction_s: float) -> bool:
        """What an instruction takes beyond its stalls on one of both is cycles on the other."""
        known, known_s, other, other_s = last, seen.instruction_s, place, instruction_s
        if seen.stalls and seen.stalls[-1][0] == place.cluster:
            known, known_s, other, other_s = place, instruction_s, last, seen.instruction_s
        stall = self._stall_of(seen, known.cluster)
        cycles = known_s / (1.0 / known.freq_hz + stall * known.slowdown)
        stall_s = stall * cycles * self._stalls[other.cluster] / self._stalls[known.cluster]
        there = (other_s - stall_s * other.slowdown) * other.freq_hz
        if there <= 0.0:
            return False
        for key, value in (
            ((known.cluster, other.cluster), math.log(there / cycles)),
            ((other.cluster, known.cluster), math.log(cycles / there)),
        ):
            seen.log_cycles.setdefault(key, deque(maxlen=PAIRS_KEPT)).append(value)
        seen.forget_conclusions()
        return True

    def _cycles(self, observation: Observation, application_id: int) -> list[float]:
        """Cycles per instruction on every cluster; infinite of one that never ran."""
        seen = self._seen.get(application_id)
        if seen is not None and seen.place is not None:
            place, here = seen.place, seen.instruction_s / seen.place.cycle_s * math.exp(seen.ahead)
        else:
            pairs = zip(observation.applications, self._found_places(observation), strict=True)
            (app, place), *_ = [pair for pair in pairs if pair[0].id == application_id]
            if app.rate_ips <= 0.0:
                return [math.inf for _ in self._per_hz]
            here = place.share / app.rate_ips / place.cycle_s
        return [here * ratio for ratio in self._ratios_from(seen, place.cluster)]


def _learn_stall(seen: Seen, last: Place, place: Place, instruction_s: float) -> bool:
    """Solve ``t1 / t2 = (1 / f1 + u s1) / (1 / f2 + u s2)`` for the stall per cycle u."""
    difference_s = seen.instruction_s * place.slowdown - instruction_s * last.slowdown
    if difference_s == 0.0:
        return False
    stall = (instruction_s / last.freq_hz - seen.instruction_s / place.freq_hz) / difference_s
    if not -0.02 * LONGEST_STALL_S_PER_CYCLE <= stall <= LONGEST_STALL_S_PER_CYCLE:
        return False
    seen.stalls.append((last.cluster, max(stall, 0.0)))
    seen.forget_conclusions()
    return True
