"""One point: a step repeated in a process of its own, on given cores, with a thread for each.

A process that was forked from one that had done nothing but import is what a training would be.
What it holds at its peak is counted twice: by the kernel (resident, with the libraries), and by
PyTorch's own allocator (what the training alone takes).
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.profile.workers import Step, find_worker, steps_of

WARM_STEPS = 2
_WINDOWS = 5
"""The seconds are cut into so many windows; the least disturbed of them counts."""

_PRELOADED = ["torch", "torch.profiler", "training.federated.profile.stopwatch"]
_FOR_TRANSFORMERS = ["training.federated.local", "transformers.models.bert.modeling_bert"]
"""Imported once, by the process that the measured ones are forked from."""


class Timed(Struct, frozen=True, kw_only=True):
    """What one point took, per sample: wall clock, and CPU time of all threads together.

    `undisturbed` is the share of the wall clock in which the threads ran, 1 with a whole core each.
    `began_s` and `ended_s` are on the machine's monotonic clock.
    """

    wall_s: float
    cpu_s: float
    steps: int
    resident_bytes: int
    allocated_bytes: int
    undisturbed: float
    began_s: float = 0.0
    ended_s: float = 0.0


def timed(
    worker: str, knobs: Mapping[str, float], cores: tuple[int, ...], *, seconds: float
) -> Timed:
    """Measure a worker's step in a new process; InvalidInput where it fails there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED + ([] if ":" in worker else _FOR_TRANSFORMERS))
    ours, theirs = context.Pipe(duplex=False)
    words = (theirs, worker, dict(knobs), cores, seconds, list(sys.path))
    process = context.Process(target=_measured, args=words, daemon=True)
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        found = f"it ended with {process.exitcode}"
    finally:
        process.join()
        ours.close()
    if isinstance(found, str):
        raise InvalidInput(f"{worker} with {dict(knobs)} must do a step ({found})")
    return Timed(**found)


def _measured(
    answer: Any,
    worker: str,
    knobs: dict[str, float],
    cores: tuple[int, ...],
    seconds: float,
    path: list[str],
) -> None:
    """In the child: affinity and threads first, so that nothing runs elsewhere."""
    import torch

    sys.path[:] = path
    try:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(len(cores))
        step = steps_of(find_worker(worker), knobs)
        for _ in range(WARM_STEPS):
            step()
        began_s = time.monotonic()
        found = _repeated(step, knobs["batch"], len(cores), seconds)
        found |= {"began_s": began_s, "ended_s": time.monotonic()}
        found["resident_bytes"] = peak_resident_bytes()
        found["allocated_bytes"] = _allocated_bytes(step)
    except Exception as error:  # noqa: BLE001 - the user's own code may raise anything
        answer.send(f"{type(error).__name__}: {error}")
    else:
        answer.send(found)
    finally:
        answer.close()


def _repeated(step: Step, batch: float, threads: int, seconds: float) -> dict[str, Any]:
    windows = [_window(step, seconds / _WINDOWS) for _ in range(_WINDOWS)]
    wall_s, cpu_s, steps = min(windows, key=lambda window: window[0] / window[2])
    return {
        "wall_s": wall_s / steps / batch,
        "cpu_s": cpu_s / steps / batch,
        "steps": sum(window[2] for window in windows),
        "undisturbed": min(1.0, cpu_s / (wall_s * threads)),
    }


def _window(
    step: Step, seconds: float, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float, int]:
    """Wall and CPU seconds, and steps; at least one."""
    began_s, cpu_s, steps = clock(), time.process_time(), 0
    while True:
        step()
        steps += 1
        passed_s = clock() - began_s
        if passed_s >= seconds:
            return passed_s, time.process_time() - cpu_s, steps


def peak_resident_bytes(status: Path = Path("/proc/self/status")) -> int:
    """The most that this process ever had resident, as the kernel counts it."""
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _allocated_bytes(step: Step) -> int:
    """The most that two steps had from PyTorch's allocator beside what was held before."""
    from torch import nn

    from training.federated.cost.measure import measured_peak_bytes

    return measured_peak_bytes(nn.Module(), lambda: (step(), step()))
