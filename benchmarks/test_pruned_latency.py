"""How much faster a BERT answers, and takes a step of LoRA, when heads and channels are gone.

Models of drawn weights; a mask at full size stands beside the smaller matrices. Everything is a
multiple of the unpruned model's time in the same run: all take turns, one thread, processor time.
Run with ``-s`` to see the tables.
"""

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from msgspec.structs import replace
from pytest_benchmark.fixture import BenchmarkFixture
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForSequenceClassification

from rm.npu.text_table import table
from training.federated.cost.flops import forward_flops, step_flops
from training.federated.models.shape import shape_of
from training.federated.suffix import Suffix, arrays_of
from training.federated.systems.fedspine.arms import Arm
from training.federated.systems.fedspine.importance import unknown
from training.federated.systems.fedspine.models import Workbench
from training.federated.systems.fedspine.options import Options
from training.federated.systems.fedspine.plan import suffix_of, work_of
from training.federated.systems.fedspine.prune import prune_model
from training.federated.systems.fedspine.structure import choose_kept

RATIOS = (0.0, 0.3, 0.5)
RANK = 8
BATCH, TOKENS = 16, 128
BLOCKS = 7
MOST_AT_HALF = 0.75
"""Half of the FLOPs are gone at ratio 0.5; embeddings, norms and attention's softmax stay."""

SIZES = {
    "tiny (4 layers of 64)": (4, 64, 4, 256),
    "as MiniLM (6 layers of 384)": (6, 384, 12, 1536),
}

Call = Callable[[], object]


def plain(size: tuple[int, int, int, int]) -> BertForSequenceClassification:
    """A classifier of these layers, hidden width, heads, feed-forward width."""
    layers, hidden, heads, ffn = size
    config = BertConfig(
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        intermediate_size=ffn,
        vocab_size=1000,
        max_position_embeddings=TOKENS,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    torch.manual_seed(0)
    return BertForSequenceClassification(config).eval()


def texts(batch: int) -> torch.Tensor:
    """Rows of token numbers."""
    return torch.randint(1, 1000, (batch, TOKENS), generator=torch.Generator().manual_seed(0))


def answering(size: tuple[int, int, int, int], batch: int) -> dict[str, Call]:
    """A forward pass at each ratio, and of a full-size model whose pruned channels are masked."""
    x = texts(batch)

    def call(model: BertForSequenceClassification) -> Call:
        @torch.no_grad()
        def run() -> object:
            return model(x).logits

        return run

    scores = unknown(shape_of(plain(size)))
    calls = {f"{r:g}": call(prune_model(plain(size), choose_kept(scores, r))) for r in RATIOS}
    hidden = plain(size)
    with torch.no_grad():
        for layer in hidden.base_model.encoder.layer:
            half = layer.intermediate.dense.out_features // 2
            layer.intermediate.dense.weight[half:] = 0
            layer.output.dense.weight[:, half:] = 0
    return calls | {"0.5, masked": call(hidden)}


def tuning(size: tuple[int, int, int, int]) -> dict[str, Call]:
    """Forward and backward of LoRA at each ratio."""
    x, y = texts(BATCH), torch.zeros(BATCH, dtype=torch.int64)
    shape = shape_of(plain(size))

    def call(ratio: float) -> Call:
        bench = Workbench(plain(size), RANK, seed=0)
        whole = bench.tunable({}, choose_kept(unknown(shape), 0.0))
        arrays = arrays_of(whole, suffix_of(shape, RANK))
        model = bench.tunable(arrays, choose_kept(unknown(shape), ratio))

        def run() -> object:
            model.zero_grad()
            return cross_entropy(model(x).logits, y).backward()

        return run

    return {f"{ratio:g}": call(ratio) for ratio in RATIOS}


def taken_turns(calls: dict[str, Call]) -> dict[str, float]:
    """Median processor seconds of each call, all in turn, after one that does not count."""
    torch.set_num_threads(1)
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for block in range(BLOCKS + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if block:
                samples[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in samples.items()}


def show(title: str, taken: dict[str, float], flops: dict[str, float]) -> dict[str, float]:
    """Print multiples of the unpruned model's time beside those of its FLOPs; the former."""
    ratios = {name: value / taken["0"] for name, value in taken.items()}
    rows = [
        (name, f"{1e3 * taken[name]:.2f}", f"{ratios[name]:.2f}", f"{flops.get(name, 1.0):.2f}")
        for name in taken
    ]
    header = ("ratio", "ms", "time / unpruned", "FLOPs / unpruned")
    print(f"\n{title}", *table([header, *rows], left=(0,)), sep="\n")
    return ratios


def shares(size: tuple[int, int, int, int], *, step: bool) -> dict[str, float]:
    """FLOPs at each ratio over those of the unpruned model."""
    shape = shape_of(plain(size))
    works = {f"{r:g}": work_of(shape, TOKENS, Options(), Arm(r, RANK)) for r in RATIOS}
    if step:
        return {name: step_flops(work) / step_flops(works["0"]) for name, work in works.items()}
    plain_works = {name: replace(work, suffix=Suffix(depth=0)) for name, work in works.items()}
    whole = forward_flops(plain_works["0"])
    return {name: forward_flops(work) / whole for name, work in plain_works.items()}


@pytest.mark.parametrize("batch", [1, BATCH])
@pytest.mark.parametrize("name", SIZES)
def test_smaller_matrices_answer_faster_and_masks_do_not(
    benchmark: BenchmarkFixture, name: str, batch: int
) -> None:
    """Judged on the larger model in batches, where matrix products are most of the time."""
    taken = benchmark.pedantic(taken_turns, (answering(SIZES[name], batch),), rounds=1)
    flops = shares(SIZES[name], step=False)
    ratios = show(f"{name}: answers, batch {batch}, {TOKENS} tokens", taken, flops)
    benchmark.extra_info |= {key: round(value, 2) for key, value in ratios.items()}
    if name.startswith("as MiniLM") and batch == BATCH:
        assert ratios["0.5"] <= MOST_AT_HALF
        assert ratios["0.5, masked"] > MOST_AT_HALF


@pytest.mark.parametrize("name", SIZES)
def test_a_step_of_lora_on_smaller_matrices_is_faster(
    benchmark: BenchmarkFixture, name: str
) -> None:
    """What pruning saves a device while it tunes."""
    taken = benchmark.pedantic(taken_turns, (tuning(SIZES[name]),), rounds=1)
    flops = shares(SIZES[name], step=True)
    ratios = show(f"{name}: a step of LoRA, batch {BATCH}, {TOKENS} tokens", taken, flops)
    benchmark.extra_info |= {key: round(value, 2) for key, value in ratios.items()}
    if name.startswith("as MiniLM"):
        assert ratios["0.5"] <= MOST_AT_HALF
