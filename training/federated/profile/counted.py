"""What a step of any PyTorch loop asks of a processor, as PyTorch itself counts it.

Nothing is timed, so that this can be done on another machine than the board. FLOPs are those of
matrix products, memory is that of PyTorch's allocator, traffic what it gave out, written and read
once each. Operators are counted where the loop calls them or autograd does, not within each other.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from torch.profiler import ProfilerActivity, profile

from platforms.board import SCHEMA_VERSION
from platforms.training_work import BATCH, TrainingFile, TrainingWork
from training.federated.cost.measure import allocations, measured_flops, silent_stderr
from training.federated.profile.workers import Step, find_worker, steps_of

DISPATCH = 0.27
"""Kernels, as `platforms.training_work` takes time for them, per operator of a step.

Derived: tiny-4, from which that time was derived, counts 160 kernels and makes 592 operators.
"""

_OPERATOR = "aten::"
_TOUCHES = 2
_SOURCES = {
    "works.knobs": "derived: the settings that were asked for",
    "works.flops": "measured: PyTorch's FLOP counter, matrix products",
    "works.sample_bytes": "derived: what PyTorch's allocator gave out in a step, moved twice",
    "works.step_bytes": "assumed: all traffic is counted by samples",
    "works.kernels": f"derived: operators of a step x {DISPATCH}, as for tiny-4",
    "works.memory_bytes": "measured: the most that PyTorch's allocator had given out",
    "works.samples_factor": "assumed: a sample is a sample with any setting",
}


def counted_training(
    name: str, worker: str, settings: Sequence[Mapping[str, float]]
) -> TrainingFile:
    """The training of the user's own loop; InvalidInput where the worker cannot be found."""
    make = find_worker(worker)
    return TrainingFile(
        schema=SCHEMA_VERSION,
        name=name,
        title=f"{worker}, as PyTorch counts it",
        works=tuple(counted_work(make, knobs) for knobs in settings),
        sources=dict(_SOURCES),
    )


def counted_work(make: Callable[..., Step], knobs: Mapping[str, float]) -> TrainingWork:
    """What a step asks with one setting; the first step is passed over: it may set things up."""

    def two_steps() -> None:
        step = steps_of(make, knobs)
        step()
        step()

    memory_bytes = max(accumulate(allocations(two_steps)), default=0)
    step = steps_of(make, knobs)
    step()
    given = sum(nbytes for nbytes in allocations(step) if nbytes > 0)
    return TrainingWork(
        knobs=dict(knobs),
        flops=max(measured_flops(step), 1.0) / knobs[BATCH],
        sample_bytes=_TOUCHES * given / knobs[BATCH],
        step_bytes=0.0,
        kernels=max(1, round(DISPATCH * operators(step))),
        memory_bytes=max(memory_bytes, 1),
    )


def operators(step: Step) -> int:
    """Operators of a step that no other operator calls."""
    with silent_stderr(), profile(activities=[ProfilerActivity.CPU], acc_events=True) as seen:
        step()
    return sum(
        event.name.startswith(_OPERATOR) and not _is_within(event) for event in seen.events() or ()
    )


def _is_within(event: Any) -> bool:
    parent = event.cpu_parent
    while parent is not None:
        if parent.name.startswith(_OPERATOR):
            return True
        parent = parent.cpu_parent
    return False
