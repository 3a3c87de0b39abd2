"""Time every back end that is present, hot and cold, beside numpy's bare matrix products."""

import os
import platform
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from msgspec import Struct

from npu_runtime.errors import BackendUnavailable, PolicyFileError
from npu_runtime.measure.latency import Gap, Latency, Timed, bare_products, cold, hot
from npu_runtime.measure.parity import compared, tolerance
from npu_runtime.measure.present import Subject, WrongBackend, opened
from npu_runtime.policy_file import PolicyFile


class NotTimed(Struct, frozen=True, kw_only=True):
    """A back end that was not timed, and why."""

    name: str
    reason: str


class Benched(Struct, frozen=True, kw_only=True):
    """What was measured, on which machine, how loaded it was (processes, a minute's mean)."""

    policy: str
    machine: str
    load: float
    period_s: float
    gap: Gap
    hot: tuple[Latency, ...]
    cold: tuple[Latency, ...]
    left_out: tuple[NotTimed, ...]


def bench(
    file: PolicyFile, names: Sequence[str], *, period_s: float, seconds: float, gap: Gap
) -> Benched:
    """Time `names`; `seconds` are for the cold calls, the hot ones take a few."""
    rows, _ = file.metadata.parity_rows()
    with ExitStack() as stack:
        subjects, left_out = _present(file, names, stack)
        timed = [Timed(one.name, one.run, one.cpu_s) for one in subjects]
        yardstick = bare_products(file)
        hot_ones = hot(timed, yardstick, rows)
        cold_ones = cold(timed, yardstick, rows, seconds=seconds, period_s=period_s, gap=gap)
        covered = {one.name: why for one in subjects if (why := one.failure()) is not None}
    left_out += [NotTimed(name=name, reason=why) for name, why in covered.items()]
    measured = partial(_without, covered)
    return Benched(
        policy=str(file.path),
        machine=f"{platform.machine()}, {os.cpu_count()} processors",
        load=os.getloadavg()[0],
        period_s=period_s,
        gap=gap,
        hot=measured(hot_ones),
        cold=measured(cold_ones),
        left_out=tuple(left_out),
    )


def _without(names: dict[str, str], latencies: Sequence[Latency]) -> tuple[Latency, ...]:
    """Without those that the CPU has answered for."""
    return tuple(latency for latency in latencies if latency.name not in names)


def _present(
    file: PolicyFile, names: Sequence[str], stack: ExitStack
) -> tuple[list[Subject], list[NotTimed]]:
    """Those that run and are right, open as long as the stack; of the others, why they are not."""
    subjects: list[Subject] = []
    left_out: list[NotTimed] = []
    for name in names:
        try:
            subject = opened(file, name)
            stack.callback(subject.close)
            _expect_right(file, subject)
        except (BackendUnavailable, PolicyFileError, WrongBackend) as error:
            left_out.append(NotTimed(name=name, reason=str(error)))
        else:
            subjects.append(subject)
    return subjects, left_out


def _expect_right(file: PolicyFile, subject: Subject) -> None:
    """Raise WrongBackend unless its scores are right: how fast it is wrong is of no interest."""
    rows, expected = file.metadata.parity_rows()
    off = compared(expected, subject.run(rows)).largest_share
    failure = subject.failure()
    if failure is not None:
        raise WrongBackend(failure)
    if not off <= tolerance(file, subject.backend):
        raise WrongBackend(f"its scores are off by {off:.2g} of their range; see 'ilgov npu check'")
