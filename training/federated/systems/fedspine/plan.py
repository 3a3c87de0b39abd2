"""What a device does in a round for a ratio and a rank, and what that costs."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from training.federated.cost.flops import step_flops
from training.federated.cost.linear import layer_linears
from training.federated.cost.memory import peak_bytes
from training.federated.cost.parameters import all_parameters, trained_parameters
from training.federated.cost.traffic import array_bytes
from training.federated.cost.work import FLOAT_BYTES, Work
from training.federated.models.shape import Shape
from training.federated.suffix import Shapes, Suffix, names_and_shapes
from training.federated.systems.fedspine.arms import Arm
from training.federated.systems.fedspine.factors import cut_shapes
from training.federated.systems.fedspine.options import Options
from training.federated.systems.fedspine.structure import CHANNELS, HEADS, left

INDEX_BYTES = 8


class Stage(Struct, frozen=True):
    """So many steps at a pruning ratio."""

    ratio: float
    steps: int


class Cost(Struct, frozen=True, kw_only=True):
    """What a round costs a device, before the clock."""

    flops: float
    up_bytes: int
    down_bytes: int
    peak_bytes: int


def stages(before: float, ratio: float, *, steps: int, interval: int) -> tuple[Stage, ...]:
    """Pruning and tuning in turn: from the last round's ratio to this one's in equal parts.

    A device that is to prune less than before grows back at once: nothing is lost on it, the base
    model is there in full.

    >>> stages(0.0, 0.4, steps=5, interval=2)
    (Stage(ratio=0.2, steps=2), Stage(ratio=0.4, steps=3))
    >>> stages(0.5, 0.2, steps=5, interval=2)
    (Stage(ratio=0.2, steps=5),)
    """
    if ratio <= before:
        return (Stage(ratio, steps),)
    count = max(1, steps // interval)
    return tuple(
        Stage(
            round(before + (ratio - before) * (number + 1) / count, 6),
            interval if number < count - 1 else steps - interval * (count - 1),
        )
        for number in range(count)
    )


def suffix_of(shape: Shape, rank: int) -> Suffix:
    """LoRA of one rank beside all matrices of all layers: importance needs every gradient."""
    return Suffix(depth=shape.layers, ranks=(rank,) * shape.layers)


def work_of(shape: Shape, tokens: int, options: Options, arm: Arm) -> Work:
    """A step of training at a ratio and a rank."""
    return Work(
        shape=shape,
        suffix=suffix_of(shape, arm.rank),
        batch=options.batch,
        tokens=tokens,
        optimiser=options.optimiser,
        kept_heads=left(shape.heads, arm.ratio) / shape.heads,
        kept_ffn=left(shape.ffn, arm.ratio) / shape.ffn,
    )


def cost_of(shape: Shape, tokens: int, options: Options, rank: int, plan: Sequence[Stage]) -> Cost:
    """What the stages of a round cost at a rank."""
    works = [(work_of(shape, tokens, options, Arm(s.ratio, rank)), s.steps) for s in plan]
    sent = sent_shapes(shape, rank, plan[-1].ratio)
    indices = sum(sent[name][0] * sent[name][1] for name in ("kept.heads", "kept.channels"))
    return Cost(
        flops=sum(steps * (step_flops(work) + scoring_flops(work)) for work, steps in works),
        up_bytes=array_bytes(sent) + (INDEX_BYTES - FLOAT_BYTES) * indices,
        down_bytes=array_bytes(told_shapes(shape, rank)),
        peak_bytes=max(training_bytes(work) for work, _ in works),
    )


def scoring_flops(work: Work) -> float:
    """Products that importance needs at each step: B A, gB A and B gA of every matrix."""
    rank = (work.suffix.ranks or (0,))[0]
    sizes = (linear.inputs * linear.outputs for linear in layer_linears(work))
    return 3 * 2.0 * rank * work.shape.layers * sum(sizes)


def training_bytes(work: Work) -> int:
    """The most that a step holds, with importance, and with the full base put aside.

    Importance is taken when the backward pass is over and activations are gone: it holds three
    matrices as large as the largest weight beside all that stays.
    """
    sizes = [linear.inputs * linear.outputs for linear in layer_linears(work)]
    states = {"sgd": 1, "adamw": 3}[work.optimiser]
    staying = all_parameters(work) + states * trained_parameters(work)
    return max(peak_bytes(work), FLOAT_BYTES * (staying + 3 * max(sizes))) + aside_bytes(work)


def aside_bytes(work: Work) -> int:
    """Encoder matrices at full size, which a device keeps beside pruned ones to grow back."""
    whole = replace(work, kept_heads=1.0, kept_ffn=1.0)
    if (whole.heads, whole.ffn) == (work.heads, work.ffn):
        return 0
    matrices = sum(linear.inputs * linear.outputs for linear in layer_linears(whole))
    return FLOAT_BYTES * work.shape.layers * matrices


def told_shapes(shape: Shape, rank: int) -> Shapes:
    """The arrays of an order: factors in full coordinates, pooler and head, and importance."""
    return names_and_shapes(shape, suffix_of(shape, rank)) | {
        HEADS: (shape.layers, shape.heads),
        CHANNELS: (shape.layers, shape.ffn),
    }


def sent_shapes(shape: Shape, rank: int, ratio: float) -> Shapes:
    """The arrays of a reply: what was trained, what is left, and how much that matters."""
    heads = (shape.layers, left(shape.heads, ratio))
    channels = (shape.layers, left(shape.ffn, ratio))
    trained = cut_shapes(names_and_shapes(shape, suffix_of(shape, rank)), ratio, shape)
    names = {HEADS: heads, CHANNELS: channels, "kept.heads": heads, "kept.channels": channels}
    return trained | names
