"""What a step is said to cost is what PyTorch and Python count when it is done."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from torch import nn

from tests.training.federated.fedspzo.toys import setup
from training.federated.cost.measure import measured_flops, measured_peak_bytes
from training.federated.systems.fedspzo.cost import round_flops, step_peak_bytes
from training.federated.systems.fedspzo.noise import Noise
from training.federated.systems.fedspzo.workbench import Workbench


def _bench(method: str, **options: Any) -> Workbench:
    bench = Workbench(setup(method, local_steps=1, batch=16, **options))
    bench.noise = Noise()
    return bench


def _estimate(bench: Workbench, weights: list[Any]) -> None:
    bench.estimate(weights, bench.task.parts[0], np.arange(16), 0, 0)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("fedspzo", {"split": 1}),
        ("fedspzo", {"split": 2}),
        ("mezo-1", {}),
        ("mezo-k", {}),
        ("decomfl", {}),
    ],
)
def test_flops_are_pytorchs_and_a_few_for_every_weight_that_is_shifted(
    method: str, options: dict[str, Any]
) -> None:
    """Within 2 %; a weight costs two for every shift and for its step, once per direction."""
    bench = _bench(method, **options)
    # Fused attention is not seen on a CPU.
    for stage in bench.chain.stages:
        for module in stage.module.modules():
            if hasattr(module, "config"):
                module.config._attn_implementation = "eager"
    counted = measured_flops(lambda: _estimate(bench, bench.initial()))
    cut = sum(bench.chain.sizes[: bench.rates.boundary])
    moved = cut + bench.plan.samples * (bench.chain.parameters - cut)
    shifts = 1 if method == "decomfl" else 2
    assert counted == pytest.approx(
        round_flops(bench, 0) - 2 * (shifts + 1) * moved, rel=0.02, abs=0
    )


def test_replay_costs_two_for_every_weight_and_direction() -> None:
    """Three rows of one step with two directions above, one below."""
    bench = _bench("fedspzo", split=1)
    cut = sum(bench.chain.sizes[: bench.rates.boundary])
    moved = cut + 2 * (bench.chain.parameters - cut)
    assert 2 * 3 * moved == round_flops(bench, 3) - round_flops(bench, 0)


@pytest.mark.parametrize(
    ("method", "options"), [("fedspzo", {"split": 1}), ("mezo-1", {}), ("mezo-k", {})]
)
def test_the_peak_of_a_step_is_what_is_said(method: str, options: dict[str, Any]) -> None:
    """Within a tenth, by PyTorch's allocator and numpy's; no direction is held in a pass."""
    bench = _bench(method, **options)
    weights, passing, activation = bench.initial(), [], 4 * 16 * 24 * 64
    for stage in bench.chain.stages:
        stage.module.register_forward_pre_hook(
            lambda *_: passing.append(tracemalloc.get_traced_memory()[0])
        )
    _estimate(bench, weights)
    tensors = measured_peak_bytes(nn.Module(), lambda: _estimate(bench, weights))
    passing.clear()
    tracemalloc.start()
    _estimate(bench, weights)
    drawing = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    held = sum(part.nbytes for part in weights) + 4 * max(bench.chain.sizes)
    counted = held + max(tensors + max(passing), 4 * activation + drawing)
    assert counted == pytest.approx(step_peak_bytes(bench), rel=0.1)
