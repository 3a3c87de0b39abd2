"""Speed: ``IPS = share / (cpi / f + stall)``, with stalls that lengthen as memory gets busy.

Threads on one core share it equally. All threads together ask the memory for
``sum(IPS * bytes_per_instruction)``; at a load ``rho`` of the board's bandwidth every access takes
``1 / (1 - rho)`` times as long (an M/M/1 queue, assumed), which slows the threads and so lowers the
load: the slow-down is where both agree.
"""

from collections.abc import Sequence

from msgspec import Struct

from platforms.application import ApplicationProfile
from platforms.board import Board
from platforms.simulated.power import busy_activity

HIGHEST_LOAD = 0.98
"""The queue's load is cut here, so that the slow-down stays finite."""


class Placed(Struct, frozen=True, gc=False):
    """An application in its present phase, and the core of each of its threads."""

    profile: ApplicationProfile
    cpi_scale: float
    stall_scale: float
    cores: tuple[int, ...]


class Speeds(Struct, frozen=True, gc=False):
    """What comes of a placement.

    Instructions/s per application, activity per core (None: asleep), threads per core.
    """

    rate_ips: list[float]
    core_activity: list[float | None]
    core_threads: list[int]


class ThreadDemand(Struct, frozen=True, gc=False):
    """One thread as the memory sees it: it runs for `share` of the time on its core.

    `compute_s` is ``cpi / f``, `stall_s` the stall per instruction on an idle memory.
    """

    share: float
    compute_s: float
    stall_s: float
    bytes_per_instruction: float


def memory_slowdown(threads: Sequence[ThreadDemand], bandwidth_bytes_per_s: float) -> float:
    """The factor, at least 1, by which memory stalls lengthen under these threads' own traffic.

    >>> memory_slowdown([], 1e9)
    1.0
    """
    active = [t for t in threads if t.bytes_per_instruction > 0]
    if not active:
        return 1.0

    def wanted(slowdown: float) -> float:
        traffic = 0.0
        for t in active:
            ips = t.share / (t.compute_s + t.stall_s * slowdown)
            traffic += ips * t.bytes_per_instruction
        return 1.0 / (1.0 - min(traffic / bandwidth_bytes_per_s, HIGHEST_LOAD))

    # `wanted` falls as its argument rises, so the fixed point is unique and lies between the two.
    high = wanted(1.0)
    low = wanted(high)
    while high - low > 1e-9 * high:
        chord = high - low
        high_value, low_value = wanted(high), wanted(low)
        middle = low + chord * (low_value - low) / (chord + low_value - high_value)
        value = wanted(middle)
        if abs(value - middle) <= 1e-9 * middle:
            return middle
        if value > middle:
            low, high = middle, min(high, value)
        else:
            low, high = max(low, value), middle
    return high


def speeds(board: Board, opp_index: Sequence[int], placed: Sequence[Placed]) -> Speeds:
    """How fast every application runs, and how active that keeps the cores.

    Raises KeyError with the core type that an application has no profile for.
    """
    clusters, owner = board.clusters, board.cluster_of_core
    freqs_hz = [c.freqs_hz[opp] for c, opp in zip(clusters, opp_index, strict=True)]
    core_threads = [0] * board.core_count
    for app in placed:
        for core in app.cores:
            core_threads[core] += 1
    demands = [
        _demand(app, core, board, freqs_hz, core_threads) for app in placed for core in app.cores
    ]
    slowdown = memory_slowdown(demands, board.memory.bandwidth_bytes_per_s)
    activity: list[float | None] = [0.0 if threads else None for threads in core_threads]
    rates = []
    threads = iter(demands)
    for app in placed:
        rate_ips = 0.0
        for core in app.cores:
            demand = next(threads)
            per_instruction_s = demand.compute_s + demand.stall_s * slowdown
            rate_ips += demand.share / per_instruction_s
            busy_share = demand.compute_s / per_instruction_s
            active = busy_activity(clusters[owner[core]], app.profile.activity, busy_share)
            activity[core] = (activity[core] or 0.0) + active * demand.share
        rates.append(rate_ips)
    return Speeds(rates, activity, core_threads)


def _demand(
    app: Placed,
    core: int,
    board: Board,
    freqs_hz: Sequence[int],
    core_threads: Sequence[int],
) -> ThreadDemand:
    cluster = board.cluster_of_core[core]
    profile = app.profile.on(board.clusters[cluster])
    return ThreadDemand(
        1.0 / core_threads[core],
        app.cpi_scale * profile.cpi / freqs_hz[cluster],
        app.stall_scale * profile.stall_s,
        app.profile.bytes_per_instruction,
    )
