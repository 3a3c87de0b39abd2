"""How MergeSFL and its baselines run: everything that a study may change."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

BottomRate = Literal["equal", "by-batch"]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options with their defaults; what a method does without, it ignores.

    A round is `local_steps` steps; the fastest worker's batch is `batch`, which without regulation
    is everyone's. `hidden` units are behind each of the network's first two layers. The server's
    line takes `line_bytes_per_s` from all workers together (0: as much as comes). `smoothing` is
    the weight of the past in a worker's seconds per sample. Divergences below `tolerance` (in nats)
    count alike, and `price` is what an unused line costs against divergence. `bottom_rate`: every
    bottom model learns at `learning_rate`, or at a rate proportional to its batch and, for that,
    without a weight in the average.
    """

    learning_rate: Annotated[float, Meta(gt=0)] = 0.1
    local_steps: Annotated[int, Meta(ge=1)] = 10
    batch: Annotated[int, Meta(ge=1)] = 32
    hidden: Annotated[int, Meta(ge=1)] = 64
    line_bytes_per_s: Annotated[float, Meta(ge=0)] = 0.0
    smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.8
    tolerance: Annotated[float, Meta(ge=0)] = 0.02
    price: Annotated[float, Meta(ge=0)] = 0.05
    population: Annotated[int, Meta(ge=2)] = 20
    generations: Annotated[int, Meta(ge=0)] = 30
    bottom_rate: BottomRate = "equal"
