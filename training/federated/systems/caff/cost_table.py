"""What one device pays for depth, and for LoRA on all layers: the cost model's answer, no runs."""

from training.federated.compare.words import quantity
from training.federated.cost.flops import step_flops
from training.federated.cost.memory import peak_bytes
from training.federated.cost.traffic import up_bytes
from training.federated.cost.work import Work
from training.federated.models.shape import Shape
from training.federated.study import Table
from training.federated.suffix import Suffix

SHAPE = Shape(
    layers=6, hidden=192, heads=6, ffn=768, vocabulary=128, positions=64, types=1, classes=10
)
"""A transformer of about 2.7 million parameters, the size of the reference measurement."""

BATCH, TOKENS = 32, 64
OFFERS = {
    "all 6 layers": Suffix(6),
    "last 3 layers": Suffix(3),
    "last 2 layers": Suffix(2),
    "last layer": Suffix(1),
    "LoRA rank 2, all 6 layers": Suffix(6, (2,) * 6),
    "LoRA rank 22, all 6 layers": Suffix(6, (22,) * 6),
    "LoRA rank 8, last 3 layers": Suffix(3, (8,) * 3),
    "LoRA rank 8, last layer": Suffix(1, (8,)),
}
FULL, TOP, EQUAL = "all 6 layers", "last layer", "LoRA rank 22, all 6 layers"


def cost_table() -> Table:
    """Upload, peak memory and FLOPs of a step by what is trained."""
    works = {
        name: Work(shape=SHAPE, suffix=suffix, batch=BATCH, tokens=TOKENS, optimiser="adamw")
        for name, suffix in OFFERS.items()
    }
    memory_ratio = peak_bytes(works[EQUAL]) / peak_bytes(works[TOP])
    upload_ratio = up_bytes(works[EQUAL]) / up_bytes(works[TOP])
    return Table(
        title="What one device pays (modelled): 6 layers of 192, 32 texts of 64 tokens, AdamW",
        columns=("trained (and pooler, head)", "sent per round", "peak memory", "FLOPs per step"),
        rows=tuple(
            (
                name,
                quantity(up_bytes(work), "B"),
                quantity(peak_bytes(work), "B"),
                quantity(step_flops(work), "FLOP"),
            )
            for name, work in works.items()
        ),
        paper="LoRA sends little, but saves neither memory nor FLOPs of tiny transformers",
        verdict=f"{EQUAL} sends {upload_ratio:.2f} times as much as the {TOP} alone and needs "
        f"{memory_ratio:.1f} times the memory; LoRA limited in depth needs about as little as "
        "layers do, so that depth is what saves, not the choice between layers and LoRA",
    )
