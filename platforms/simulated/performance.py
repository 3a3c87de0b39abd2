"""Speed: ``IPS = share / (cpi / f + stall)``, with stalls that lengthen as others use the memory.

Threads on one core share it by their weights, as the kernel's fair scheduler does, equally where
they are as nice; who may have a limited share of a core leaves the rest to the others. The memory
is an M/M/1 queue (assumed): at a load ``rho`` of the board's bandwidth every access takes
``1 / (1 - rho)`` times as long as on an idle memory. A profile was taken alone, so its stall
already holds the queue that the program makes for itself. A stall therefore lengthens by
``(1 - rho_own) / (1 - rho)``: `rho` is the load of all threads as they run now, `rho_own` that of
the thread's own core with nobody else on the board (threads on one core take turns, they never
queue behind each other). Alone that is 1 exactly. Slower threads load the memory less: the
lengthening is where both agree.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.simulated.power import busy_activity

HIGHEST_LOAD = 0.98
"""The queue's load is cut here, so that the slow-down stays finite."""

_PRECISION = 1e-7
"""Newton's last step, relative to the queue; what is left after it is about its square."""


class Placed(Struct, frozen=True, gc=False):
    """An application in its present phase, and the core of each of its threads.

    `weight` is that of a thread beside others on its core, 1 for a nice of 0; `limit` the share of
    its core that a thread has at most.
    """

    profile: ApplicationProfile
    cpi_scale: float
    stall_scale: float
    cores: tuple[int, ...]
    activity_scale: float = 1.0
    weight: float = 1.0
    limit: float = 1.0


class Speeds(Struct, frozen=True, gc=False):
    """What comes of a placement.

    Instructions/s per application, activity per core (None: asleep), threads per core, and the busy
    share of every core (below 1 only where all its threads are limited).
    """

    rate_ips: list[float]
    core_activity: list[float | None]
    core_threads: list[int]
    core_busy: list[float]


class ThreadDemand(Struct, frozen=True, gc=False):
    """One thread as the memory sees it: it runs for `share` of the time on `core`.

    `compute_s` is ``cpi / f``, `stall_s` the stall per instruction with nobody else on the board.
    """

    core: int
    share: float
    compute_s: float
    stall_s: float
    bytes_per_instruction: float


def memory_slowdown(
    threads: Sequence[ThreadDemand], core_count: int, bandwidth_bytes_per_s: float
) -> list[float]:
    """The factor, at least 1, by which the others' traffic lengthens the stalls on each core.

    >>> memory_slowdown([ThreadDemand(0, 1.0, 1e-9, 1e-9, 2.0)], 2, 4e9)
    [1.0, 1.3333333333333333]
    """
    own = [0.0] * core_count
    for t in threads:
        if t.bytes_per_instruction > 0:
            load = t.share * t.bytes_per_instruction / (t.compute_s + t.stall_s)
            own[t.core] += load / bandwidth_bytes_per_s
    heaviest = max(own, default=0.0)
    if heaviest == 0.0:
        return [1.0] * core_count
    left = [1.0 - min(load, HIGHEST_LOAD) for load in own]
    free = min(left)  # of the bandwidth, were the heaviest core alone
    if heaviest < sum(own):
        pulls = [
            (
                t.share * t.bytes_per_instruction / bandwidth_bytes_per_s,
                t.compute_s,
                t.stall_s * left[t.core],
            )
            for t in threads
            if t.bytes_per_instruction > 0
        ]
        free = 1.0 / _queue(pulls, 1.0 / free)
    return [max(1.0, part / free) for part in left]


def _queue(pulls: Sequence[tuple[float, float, float]], low: float) -> float:
    """How many times as long as on an idle memory an access takes; at least `low`.

    A pull is what a thread asks for, as a share of the bandwidth and seconds, then its `compute_s`
    and its stall on an idle memory. The load it makes is ``pull / (compute_s + stall_s queue)``,
    and the queue solves ``queue (1 - load) = 1``.

    The left side is convex, and 0 without a queue. So Newton's method overshoots the only solution
    once at most, and then falls onto it.
    """
    queue, longest = low, 1.0 / (1.0 - HIGHEST_LOAD)
    while True:
        load = relief = 0.0
        for pull, compute_s, stall_s in pulls:
            per_instruction_s = compute_s + stall_s * queue
            asked = pull / per_instruction_s
            load += asked
            relief += asked * stall_s / per_instruction_s
        missing = 1.0 - queue * (1.0 - load)
        if missing > 0.0 and queue >= longest:
            return longest
        step = missing / (1.0 - load + queue * relief) if load < 1.0 else math.inf
        queue = min(queue + step, longest)
        if not abs(step) > _PRECISION * queue:  # written so that a NaN ends it as well
            return queue


def speeds(board: Board, opp_index: Sequence[int], placed: Sequence[Placed]) -> Speeds:
    """How fast every application runs, and how active that keeps the cores.

    Raises KeyError with the core type that an application has no profile for.
    """
    clusters, owner = board.clusters, board.cluster_of_core
    freqs_hz = board.freqs_hz_at(opp_index)
    core_threads = [0] * board.core_count
    for app in placed:
        for core in app.cores:
            core_threads[core] += 1
    if [app for app in placed if app.weight != 1.0 or app.limit != 1.0]:
        shares, busy = fair_shares(placed, board.core_count)
    else:
        shares = [1.0 / core_threads[core] for app in placed for core in app.cores]
        busy = [1.0 if threads else 0.0 for threads in core_threads]
    each = iter(shares)
    demands = [
        _demand(app, core, board, freqs_hz, next(each)) for app in placed for core in app.cores
    ]
    slowdown = memory_slowdown(demands, board.core_count, board.memory.bandwidth_bytes_per_s)
    activity: list[float | None] = [0.0 if threads else None for threads in core_threads]
    rates = []
    threads = iter(demands)
    for app in placed:
        rate_ips, activity_awake = 0.0, app.profile.activity * app.activity_scale
        for core in app.cores:
            demand = next(threads)
            per_instruction_s = demand.compute_s + demand.stall_s * slowdown[core]
            rate_ips += demand.share / per_instruction_s
            busy_share = demand.compute_s / per_instruction_s
            active = busy_activity(clusters[owner[core]], activity_awake, busy_share)
            activity[core] = (activity[core] or 0.0) + active * demand.share
        rates.append(rate_ips)
    return Speeds(rates, activity, core_threads, busy)


def fair_shares(placed: Sequence[Placed], core_count: int) -> tuple[list[float], list[float]]:
    """The share of its core for every thread, application by application; and the cores' sums.

    A core is shared by weight. Who would get more than its limit gets the limit, and what it leaves
    is shared among the others, by weight again.
    """
    threads = [(core, app) for app in placed for core in app.cores]
    shares, busy = [0.0] * len(threads), [0.0] * core_count
    for core in {core for core, _ in threads}:
        here = [(number, app) for number, (on, app) in enumerate(threads) if on == core]
        # Whose limit is least for its weight reaches it first.
        here.sort(key=lambda thread: thread[1].limit / thread[1].weight)
        left, weight = 1.0, sum(app.weight for _, app in here)
        for number, app in here:
            shares[number] = min(app.limit, left * app.weight / weight)
            left -= shares[number]
            weight -= app.weight
        busy[core] = min(1.0, sum(shares[number] for number, _ in here))
    return shares, busy


def _demand(
    app: Placed,
    core: int,
    board: Board,
    freqs_hz: Sequence[int],
    share: float,
) -> ThreadDemand:
    cluster = board.cluster_of_core[core]
    profile = app.profile.on(board.clusters[cluster])
    return ThreadDemand(
        core,
        share,
        app.cpi_scale * profile.cpi / freqs_hz[cluster],
        app.stall_scale * profile.stall_s,
        app.profile.bytes_per_instruction,
    )
