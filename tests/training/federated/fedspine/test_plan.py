"""Tests of what a device's round is, and what it costs."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from training.federated.cost.flops import step_flops
from training.federated.cost.measure import measured_flops
from training.federated.models.load import load_model
from training.federated.models.shape import shape_of
from training.federated.suffix import arrays_of, names_and_shapes
from training.federated.systems.fedspine.arms import Arm
from training.federated.systems.fedspine.importance import unknown
from training.federated.systems.fedspine.models import Workbench
from training.federated.systems.fedspine.options import Options
from training.federated.systems.fedspine.plan import (
    Stage,
    cost_of,
    sent_shapes,
    stages,
    suffix_of,
    told_shapes,
    work_of,
)
from training.federated.systems.fedspine.structure import choose_kept

OPTIONS = Options()
TOKENS = 24


def model() -> object:
    """The tiny model with drawn weights, attending so that its FLOPs are seen."""
    made = load_model("source-2:random", "", 4, 0)
    made.set_attn_implementation("eager")
    return made


def test_pruning_and_tuning_take_turns_until_the_ratio_is_reached() -> None:
    """Every interval of steps prunes on by as much."""
    assert (Stage(0.25, 20), Stage(0.5, 20)) == stages(0.0, 0.5, steps=40, interval=20)
    assert (Stage(0.4, 2), Stage(0.5, 2)) == stages(0.3, 0.5, steps=4, interval=2)
    assert (Stage(0.5, 3),) == stages(0.3, 0.5, steps=3, interval=20)


def test_a_device_that_is_to_prune_less_grows_back_at_once() -> None:
    """The base model is there in full."""
    assert (Stage(0.1, 4),) == stages(0.5, 0.1, steps=4, interval=2)


@pytest.mark.parametrize(("before", "ratio"), [(0.0, 0.5), (0.2, 0.3), (0.5, 0.0)])
def test_all_steps_are_made_whatever_the_stages(before: float, ratio: float) -> None:
    """How often is pruned does not change how much is tuned."""
    for steps in range(1, 9):
        plan = stages(before, ratio, steps=steps, interval=3)
        assert steps == sum(stage.steps for stage in plan)
        assert all(stage.steps > 0 for stage in plan)
        assert ratio == plan[-1].ratio


@pytest.mark.parametrize(("ratio", "rank"), [(0.0, 8), (0.3, 4), (0.5, 2)])
def test_flops_of_a_pruned_step_are_those_that_pytorch_counts(ratio: float, rank: int) -> None:
    """Within 2 %, on the model with smaller matrices."""
    shape = shape_of(model())
    bench = Workbench(model(), rank, seed=0)
    arrays = arrays_of(bench.tunable({}, choose_kept(unknown(shape), 0.0)), suffix_of(shape, rank))
    tuned = bench.tunable(arrays, choose_kept(unknown(shape), ratio))
    x = torch.randint(1, 60, (OPTIONS.batch, TOKENS))

    def step() -> None:
        cross_entropy(tuned(x).logits, torch.zeros(OPTIONS.batch, dtype=torch.int64)).backward()

    modelled = step_flops(work_of(shape, TOKENS, OPTIONS, Arm(ratio, rank)))
    assert pytest.approx(measured_flops(step), rel=0.02) == modelled


def test_cost_counts_every_stage_and_all_that_travels() -> None:
    """Bytes are those of the arrays: factors, head, importance, and the numbers of what is left."""
    shape = shape_of(model())
    cost = cost_of(shape, TOKENS, OPTIONS, 4, (Stage(0.2, 2), Stage(0.5, 2)))
    early = cost_of(shape, TOKENS, OPTIONS, 4, (Stage(0.2, 2),))
    late = cost_of(shape, TOKENS, OPTIONS, 4, (Stage(0.5, 2),))
    assert pytest.approx(early.flops + late.flops) == cost.flops
    assert late.flops < early.flops
    assert max(early.peak_bytes, late.peak_bytes) == cost.peak_bytes
    assert late.up_bytes == cost.up_bytes < early.up_bytes
    sent = sent_shapes(shape, 4, 0.5)
    sizes = {name: 8 if name.startswith("kept") else 4 for name in sent}
    assert sum(sizes[name] * math.prod(sent[name]) for name in sent) == cost.up_bytes
    assert 4 * sum(map(math.prod, told_shapes(shape, 4).values())) == cost.down_bytes
    assert names_and_shapes(shape, suffix_of(shape, 4)).keys() < sent.keys()


def test_less_rank_and_more_pruning_are_cheaper_in_everything() -> None:
    """The two knobs turn the way one thinks."""
    shape = shape_of(model())

    def cost(ratio: float, rank: int) -> tuple[float, ...]:
        found = cost_of(shape, TOKENS, OPTIONS, rank, (Stage(ratio, 4),))
        return found.flops, found.up_bytes, found.peak_bytes

    assert all(a < b for a, b in zip(cost(0.5, 8), cost(0.0, 8), strict=True))
    assert all(a < b for a, b in zip(cost(0.3, 2), cost(0.3, 8), strict=True))
