"""What an order costs its device: FLOPs, memory, bytes. Drawing random numbers is not counted."""

from training.federated.cost.flops import forward_flops, layer_forward_flops
from training.federated.cost.memory import inference_peak_bytes
from training.federated.cost.work import FLOAT_BYTES, Work
from training.federated.exchange import Arrays
from training.federated.suffix import whole
from training.federated.systems.fedspzo.chain import Chain
from training.federated.systems.fedspzo.workbench import Workbench

NUMBER_BYTES = 8
"""A number in an order or a reply beside arrays: a seed, a count, a loss."""


def work_of(bench: Workbench) -> Work:
    """One batch of the method's steps."""
    shape, batch = bench.shape, bench.options.batch
    return Work(shape=shape, suffix=whole(shape), batch=batch, tokens=bench.task.tokens)


def round_flops(bench: Workbench, replayed: int) -> float:
    """FLOPs of a round's steps on one device that first replays so many rows (of a pool: seeds).

    Matrix products of the layers and the head, and two for each weight that is shifted or moved.
    """
    plan, work = bench.plan, work_of(bench)
    top = forward_flops(work) - plan.layers * layer_forward_flops(work)
    answers = 2 * plan.samples if plan.central else plan.samples + 1
    shifted = 2 if plan.central else 1
    low, high = _blocks(bench.chain, bench.rates.boundary)
    moved = low + plan.samples * high
    replays = replayed * (moved if plan.carrier == "pool" else plan.steps * moved)
    step = plan.step_forwards * layer_forward_flops(work) + answers * top
    return plan.steps * (step + 2.0 * (shifted + 1) * moved) + 2.0 * replays


def _blocks(chain: Chain, boundary: int) -> tuple[int, int]:
    """Weights of the first and of the second block."""
    return sum(chain.sizes[:boundary]), sum(chain.sizes[boundary:])


def step_peak_bytes(bench: Workbench) -> int:
    """The most that a step holds: weights, a block for shifted ones, and more for a moment.

    That is a forward pass beside what waits for it (the other side's activations, and both of the
    split), or a direction's part in the largest stage. The weights as they were before a round's
    steps lie in the device's storage.
    """
    work, block = work_of(bench), FLOAT_BYTES * max(bench.chain.sizes)
    activation = FLOAT_BYTES * work.batch * work.tokens * work.shape.hidden
    waiting = (3 if bench.plan.split else 1) * activation
    passing = inference_peak_bytes(work) + waiting
    drawing = FLOAT_BYTES * bench.chain.parameters + block + waiting + activation
    return block + max(passing, drawing)


def message_bytes(arrays: Arrays, numbers: int) -> int:
    """Bytes of what travels: the arrays' own, and those of numbers beside them."""
    return sum(array.nbytes for array in arrays.values()) + NUMBER_BYTES * numbers
