"""How long a call takes: one after the other (hot), and once a period as the governor asks (cold).

All times are also given as multiples of a yardstick: numpy's bare products of the network's own
matrices, measured in between in the same run. A machine that is busy or clocked down slows both.
Back ends take turns, call by call or block by block, so that what others do on the machine meets
all of them.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle
from typing import Literal

import numpy as np
from msgspec import Struct

from npu_runtime.backend import Rows
from npu_runtime.layers import layered_network
from npu_runtime.policy_file import PolicyFile

YARDSTICK = "bare products"

HOT_BATCHES = (*range(1, 17), 64)
COLD_BATCHES = (1, 2, 4, 8, 16, 64)
"""A row per application, as TOP-IL asks, and as many as ilgov asks for in the median call."""

PERIOD_S = 0.5

Gap = Literal["sleep", "busy"]
"""What this thread does between two calls: nothing, or turning round."""

_BLOCKS, _CALLS = 9, 100


@dataclass(frozen=True)
class Timed:
    """Something to be timed: rows in, and the processor time that it has taken so far."""

    name: str
    run: Callable[[Rows], object]
    cpu_s: Callable[[], float] = time.thread_time


class Latency(Struct, frozen=True, kw_only=True):
    """`calls` calls of `batch` rows, in microseconds of wall time, and of processor time (mean).

    `ratio` and `cpu_ratio` are the medians of wall time and the processor times as multiples of the
    yardstick's.
    """

    name: str
    batch: int
    calls: int
    p50_us: float
    p90_us: float
    p99_us: float
    cpu_us: float
    ratio: float
    cpu_ratio: float


class _Sample(Struct):
    """Wall times of calls and their processor time together, seconds."""

    wall_s: list[float] = []
    cpu_s: float = 0.0


_Samples = Mapping[tuple[str, int], _Sample]


def bare_products(file: PolicyFile) -> Timed:
    """The yardstick: the network's matrix products, and nothing else."""
    matrices = [np.ascontiguousarray(layer.weight) for layer in layered_network(file).layers]

    def run(rows: Rows) -> Rows:
        for matrix in matrices:
            rows = rows @ matrix
        return rows

    return Timed(YARDSTICK, run)


def hot(
    subjects: Sequence[Timed],
    yardstick: Timed,
    rows: Rows,
    *,
    batches: Sequence[int] = HOT_BATCHES,
    blocks: int = _BLOCKS,
    calls: int = _CALLS,
) -> tuple[Latency, ...]:
    """Calls one after the other, `blocks` blocks of `calls` for every subject and batch.

    Subjects take turns block by block; `rows` are the rows to take batches from, repeated if there
    are too few.
    """
    samples: defaultdict[tuple[str, int], _Sample] = defaultdict(_Sample)
    everybody = [yardstick, *subjects]
    for batch in batches:
        some = _batch(rows, batch)
        for subject in everybody:
            subject.run(some)
        for turn in range(blocks):
            for subject in _turned(everybody, turn):
                _time(subject, some, calls, samples[subject.name, batch])
    return _latencies(samples, subjects, batches)


def cold(
    subjects: Sequence[Timed],
    yardstick: Timed,
    rows: Rows,
    *,
    seconds: float,
    period_s: float = PERIOD_S,
    batches: Sequence[int] = COLD_BATCHES,
    gap: Gap = "sleep",
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Latency, ...]:
    """One call of every subject in a period, evenly spread over it, for `seconds` seconds.

    The batch is another one from period to period. At least one period is measured for each.
    """
    samples: defaultdict[tuple[str, int], _Sample] = defaultdict(_Sample)
    everybody = [yardstick, *subjects]
    periods = max(len(batches), round(seconds / period_s))
    turns = zip(range(periods), cycle(batches), count(), strict=False)
    wait = partial(_wait, gap=gap, clock=clock, sleep=sleep)
    for subject in everybody:
        subject.run(_batch(rows, batches[0]))
    begun_s = clock()
    for number, batch, turn in turns:
        some = _batch(rows, batch)
        for place, subject in enumerate(_turned(everybody, turn)):
            wait(begun_s + (number + place / len(everybody)) * period_s)
            _time(subject, some, 1, samples[subject.name, batch])
    return _latencies(samples, subjects, batches)


def _wait(
    until_s: float, *, gap: Gap, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    left_s = until_s - clock()
    if gap == "sleep" and left_s > 0:
        sleep(left_s)
    while gap == "busy" and clock() < until_s:
        pass


def _time(subject: Timed, rows: Rows, calls: int, into: _Sample) -> None:
    run, now = subject.run, time.perf_counter
    cpu_before_s = subject.cpu_s()
    for _ in range(calls):
        begun_s = now()
        run(rows)
        into.wall_s.append(now() - begun_s)
    into.cpu_s += subject.cpu_s() - cpu_before_s


def _turned(subjects: Sequence[Timed], turn: int) -> Iterable[Timed]:
    """The same subjects, another one first from turn to turn: nobody follows the same one always.

    >>> ends = [Timed(name, print) for name in "abc"]
    >>> [[end.name for end in _turned(ends, turn)] for turn in range(3)]
    [['a', 'b', 'c'], ['b', 'c', 'a'], ['c', 'a', 'b']]
    """
    first = turn % len(subjects)
    return [*subjects[first:], *subjects[:first]]


def _batch(rows: Rows, batch: int) -> Rows:
    return np.resize(rows, (batch, rows.shape[1])).astype(np.float32)


def _latencies(
    samples: _Samples, subjects: Sequence[Timed], batches: Sequence[int]
) -> tuple[Latency, ...]:
    """A row per subject and batch, the yardstick's first."""
    names = [YARDSTICK, *(subject.name for subject in subjects)]
    return tuple(
        _latency(name, batch, samples[name, batch], samples[YARDSTICK, batch])
        for name in names
        for batch in dict.fromkeys(batches)
    )


def _latency(name: str, batch: int, sample: _Sample, yardstick: _Sample) -> Latency:
    p50_us, p90_us, p99_us = 1e6 * np.percentile(sample.wall_s, (50, 90, 99))
    cpu_us = 1e6 * sample.cpu_s / len(sample.wall_s)
    yard_us = 1e6 * float(np.median(yardstick.wall_s))
    yard_cpu_us = 1e6 * yardstick.cpu_s / len(yardstick.wall_s)
    return Latency(
        name=name,
        batch=batch,
        calls=len(sample.wall_s),
        p50_us=float(p50_us),
        p90_us=float(p90_us),
        p99_us=float(p99_us),
        cpu_us=cpu_us,
        ratio=float(p50_us) / yard_us,
        cpu_ratio=cpu_us / yard_cpu_us,
    )
