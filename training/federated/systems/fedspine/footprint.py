"""What pruning does to memory and work of a step: measured, and as the cost model has it."""

from collections.abc import Callable
from typing import Any

import torch
from msgspec.structs import replace
from torch.nn.functional import cross_entropy

from training.federated.cost.flops import forward_flops, step_flops
from training.federated.cost.measure import measured_peak_bytes
from training.federated.cost.memory import inference_peak_bytes
from training.federated.cost.stand_in import STAND_INS
from training.federated.models.load import load_model
from training.federated.models.shape import Shape, shape_of
from training.federated.suffix import SCALING, Suffix, arrays_of
from training.federated.systems.fedspine.arms import Arm
from training.federated.systems.fedspine.importance import Watcher, unknown
from training.federated.systems.fedspine.models import Workbench
from training.federated.systems.fedspine.options import Options
from training.federated.systems.fedspine.plan import (
    aside_bytes,
    scoring_flops,
    suffix_of,
    training_bytes,
    work_of,
)
from training.federated.systems.fedspine.structure import choose_kept

RANK = 8
CLASSES = 2


def footprint(model: str, tokens: int, ratios: list[float]) -> dict[str, Any]:
    """Bytes and FLOPs at each ratio, and bytes of plain LoRA; for a study's job.

    `query_value` is LoRA beside queries and values alone, as it is often used.
    """
    shape = shape_of(load_model(model, "", CLASSES, 0))
    large = STAND_INS["roberta-base"]
    return {
        "ratios": ratios,
        "query_value": query_value_bytes(model, tokens),
        "measured": [trained_bytes(model, shape, tokens, ratio) for ratio in ratios],
        "modelled": [_modelled(shape, tokens, ratio) for ratio in ratios],
        "roberta": [_modelled(large.shape, large.tokens, ratio) for ratio in ratios],
    }


def trained_bytes(model: str, shape: Shape, tokens: int, ratio: float) -> dict[str, int]:
    """The measured peak of a device's step at a ratio, and what of it is the full base aside."""
    bench = Workbench(load_model(model, "", CLASSES, 0), RANK, seed=0)
    whole = bench.tunable({}, choose_kept(unknown(shape), 0.0))
    arrays = arrays_of(whole, suffix_of(shape, RANK))
    tuned = bench.tunable(arrays, choose_kept(unknown(shape), ratio))
    watcher = Watcher(tuned, shape, momentum=0.5)
    peak = measured_peak_bytes(tuned, _step(tuned, shape, tokens))
    watcher.close()
    return {"peak": peak + bench.aside_bytes(), "aside": bench.aside_bytes()}


def query_value_bytes(model: str, tokens: int) -> int:
    """The measured peak of a step of plain LoRA beside queries and values, at full size."""
    from peft import LoraConfig, inject_adapter_in_model

    plain = load_model(model, "", CLASSES, 0)
    config = LoraConfig(r=RANK, lora_alpha=SCALING * RANK, target_modules=["query", "value"])
    inject_adapter_in_model(config, plain)
    for name, parameter in plain.named_parameters():
        parameter.requires_grad_(any(part in name for part in ("lora", "pooler", "classifier")))
    return measured_peak_bytes(plain, _step(plain, shape_of(plain), tokens))


def _step(model: Any, shape: Shape, tokens: int) -> Callable[[], None]:
    options = Options()
    x = torch.randint(1, shape.vocabulary, (options.batch, tokens))
    y = torch.zeros(options.batch, dtype=torch.int64)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)

    def step() -> None:
        cross_entropy(model(x).logits, y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    return step


def _modelled(shape: Shape, tokens: int, ratio: float) -> dict[str, float]:
    work = work_of(shape, tokens, Options(), Arm(ratio, RANK))
    plain = replace(work, suffix=Suffix(depth=0))  # LoRA has been merged
    return {
        "train_bytes": training_bytes(work),
        "aside_bytes": aside_bytes(work),
        "train_flops": step_flops(work) + scoring_flops(work),
        "inference_bytes": inference_peak_bytes(plain),
        "inference_flops": forward_flops(plain),
    }
