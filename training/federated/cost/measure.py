"""The same costs as PyTorch counts them itself, to hold the cost model against.

Memory is PyTorch's own allocator speaking: the profiler notes every allocation and release of the
CPU allocator, whoever asked for it. (`torch.distributed._tools.mem_tracker.MemTracker` sees tensors
only, not what kernels take within themselves, and refuses modules with frozen parameters.) FLOPs
are those of `torch.utils.flop_counter.FlopCounterMode`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import Any

from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode


def held_bytes(model: nn.Module) -> int:
    """Bytes of a model's parameters and buffers."""
    tensors = {t.untyped_storage().data_ptr(): t for t in [*model.parameters(), *model.buffers()]}
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors.values())


def measured_peak_bytes(model: nn.Module, call: Callable[[], Any]) -> int:
    """The most that the model and all that `call` allocates held at a time.

    The model must have no gradients yet, and `call` must bring its own inputs. What is given back
    but was there before is not counted.
    """
    return held_bytes(model) + max([0, *accumulate(allocations(call))])


def allocations(call: Callable[[], Any]) -> list[int]:
    """Bytes that `call` takes (above 0) and gives back (below 0), in the order of time."""
    watch = profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True)
    with silent_stderr(), watch as seen:
        call()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    events.sort(key=lambda event: event.start_ns())
    return [int(event.nbytes()) for event in events]


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Let nothing reach file descriptor 2: the profiler's C++ part tells there when it starts."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def measured_flops(call: Callable[[], Any]) -> float:
    """FLOPs of `call`; a model must attend eagerly, since on a CPU fused attention is not seen."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())
