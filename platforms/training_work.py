"""What training asks of a processor, and the files that say so of a network.

A training step of a batch on `n` cores takes, beside its memory traffic,

    cycles = kernels x GAP_CYCLES + ceil(batch / n) x FLOPs / (SUSTAINED x FLOPs per cycle)

Its samples are split over the cores, the dispatch of its kernels is not. A thread that waits for
the others spins, as OpenMP's do, and is taken as active as one that computes (assumed). Traffic is
what stalls it, at the board's bandwidth, as long as nobody else loads the memory.
"""

import math
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from itertools import pairwise

import numpy as np
from msgspec import Struct

from platforms.application import ApplicationProfile, CoreProfile
from platforms.board import SCHEMA_VERSION, Board, Cluster
from platforms.described_file import (
    check_finite,
    check_not_negative,
    check_positive,
    check_sources,
    convert_toml,
    shipped_names,
    text_of,
)
from platforms.errors import InvalidInput

BATCH = "batch"
"""The knob that every setting has."""

FLOPS_PER_CYCLE = {
    "cortex-a7": 2,
    "cortex-a15": 8,
    "cortex-a53": 8,
    "cortex-a55": 8,
    "cortex-a57": 8,
    "cortex-a73": 8,
    "cortex-a76": 16,
    "cortex-a78": 16,
}
"""Float32 peak of one core, as commonly stated for its NEON units (assumed)."""

SUSTAINED = 0.4
"""Share of the peak that training sustains (assumed)."""

GAP_CYCLES = 50_000
"""Cycles of dispatch per kernel.

Derived: tiny-4 in PyTorch on one x86 core took 3.4 ms of CPU time per step beside the time that
grows with the batch, 160 kernels; a clock of 2.5 GHz is assumed, and the same cycles on Arm.
"""

_LARGEST_BATCH = 10**9
_LEAST_SAMPLES, _MOST_SAMPLES = 1e-3, 1e15
"""Between these a curve can be reckoned with: logarithms, quotients of any two of its samples."""

_CACHE_LINE_BYTES = 64
_TRAININGS = resources.files("platforms") / "trainings"


class TrainingWork(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """What a training step asks for with one setting of the knobs, ``batch`` among them.

    `flops` and `sample_bytes` (traffic to memory) are per sample, `step_bytes` and `kernels` per
    step beside; `memory_bytes` is the peak that it keeps resident. `samples_factor` is how many
    times the curve's samples the goal takes because of knobs beside the batch.
    """

    knobs: dict[str, float]
    flops: float
    sample_bytes: float
    step_bytes: float
    kernels: int
    memory_bytes: int
    samples_factor: float = 1.0

    @cached_property
    def batch(self) -> int:
        """Samples of a step."""
        return int(self.knobs[BATCH])

    @cached_property
    def traffic_bytes(self) -> float:
        """Bytes to and from memory per step."""
        return self.step_bytes + self.batch * self.sample_bytes


class Efficiency(Struct, frozen=True, forbid_unknown_fields=True):
    """How many samples the goal takes, by batch size: `batches` ascending, `samples` of each."""

    batches: tuple[int, ...]
    samples: tuple[float, ...]

    def to_goal(self, batch: float) -> float:
        """Samples to the goal with a batch; between two batches log-log, beyond the ends as there.

        >>> Efficiency((8, 32), (1000.0, 4000.0)).to_goal(16)
        2000.0
        """
        logs = np.interp(math.log(batch), np.log(self.batches), np.log(self.samples))
        return float(round(math.exp(logs), 6))


class TrainingFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network in training: its work in every setting, and its samples to the goal where known."""

    schema: int
    name: str
    title: str
    works: tuple[TrainingWork, ...]
    curve: Efficiency | None = None
    sources: dict[str, str]


def shipped_trainings() -> tuple[str, ...]:
    """Names of the trainings that come with ilgov."""
    return shipped_names(_TRAININGS)


def load_training(name_or_path: str) -> TrainingFile:
    """The training of a shipped name (``tiny-4``) or of a TOML file.

    Raises InvalidInput naming file, key, requirement and value.
    """
    text, origin = text_of(
        name_or_path, _TRAININGS, kind="training", listed_by="ilgov federated profile --help"
    )
    return parse_training(text, origin=origin)


def parse_training(text: str, *, origin: str) -> TrainingFile:
    """The training that a TOML text describes; `origin` names the text in errors."""
    training = convert_toml(text, TrainingFile, origin=origin)
    for problem in check_training(training):
        raise InvalidInput(f"{origin}: {problem}")
    return training


def check_training(training: TrainingFile) -> Iterator[str]:
    """Every contradiction inside a training, as ``key requirement (got value)``."""
    if training.schema != SCHEMA_VERSION:
        yield f"schema must be {SCHEMA_VERSION} (got {training.schema})"
    yield from check_finite(training)
    if not training.works:
        yield "works must hold at least one setting (got none)"
    for index, work in enumerate(training.works):
        yield from work_problems(work, where=f"works[{index}]")
    settings = [tuple(sorted(work.knobs.items())) for work in training.works]
    if len(set(settings)) != len(settings):
        yield "works.knobs must differ from setting to setting (got some twice)"
    if training.curve:
        yield from curve_problems(training.curve)
    yield from check_sources("training", training)


def work_problems(work: TrainingWork, *, where: str = "work") -> Iterator[str]:
    """What cannot be about a training's work, as ``key requirement (got value)``."""
    batch = work.knobs.get(BATCH, 0.0)
    if batch < 1 or batch != int(batch):
        yield f"{where}.knobs must hold a whole batch of at least 1 (got {work.knobs})"
    yield from check_positive(where, work, "flops", "kernels", "memory_bytes", "samples_factor")
    yield from check_not_negative(where, work, "sample_bytes", "step_bytes")


def curve_problems(curve: Efficiency) -> Iterator[str]:
    """What cannot be about a curve of samples to the goal."""
    if not curve.batches or len(curve.batches) != len(curve.samples):
        got = f"{len(curve.batches)} and {len(curve.samples)}"
        yield f"curve.batches and samples must be as many, at least one (got {got})"
    rising = all(low < high for low, high in pairwise((0, *curve.batches)))
    if not rising:
        yield f"curve.batches must be positive and rise (got {list(curve.batches)})"
    if curve.batches and max(curve.batches) > _LARGEST_BATCH:
        yield f"curve.batches must be {_LARGEST_BATCH} at most (got {max(curve.batches)})"
    if not all(_LEAST_SAMPLES <= samples <= _MOST_SAMPLES for samples in curve.samples):
        most = f"{_LEAST_SAMPLES:g} to {_MOST_SAMPLES:g}"
        yield f"curve.samples must be positive and finite, {most} (got {list(curve.samples)})"


def training_profile(work: TrainingWork, board: Board, cores: int) -> ApplicationProfile:
    """One thread out of `cores` threads of a training job; its instruction is a sample.

    Rates are samples/s of that thread, the job's rate is the sum over its threads: alone, and with
    no traffic, `cores` times the thread's. Raises InvalidInput for a core type without a known
    speed, and for no core at all.
    """
    if cores < 1:
        raise InvalidInput(f"cores must be at least 1 for a training profile (got {cores})")
    bytes_per_sample = work.traffic_bytes / work.batch
    stall_s = bytes_per_sample / board.memory.bandwidth_bytes_per_s
    return ApplicationProfile(
        name="training",
        suite="training",
        core_profiles={
            cluster.core_type: CoreProfile(
                cpi=cores * step_cycles(work, cluster, cores) / work.batch, stall_s=stall_s
            )
            for cluster in board.clusters
        },
        activity=1.0,
        l2d_per_instruction=bytes_per_sample / _CACHE_LINE_BYTES,
        bytes_per_instruction=bytes_per_sample,
        sources={},
    )


def step_cycles(work: TrainingWork, cluster: Cluster, cores: int) -> float:
    """Cycles of a step on so many cores of a cluster, its memory traffic left out."""
    return dispatch_cycles(work.kernels) + compute_cycles(
        work.flops, work.batch, cluster.core_type, cores
    )


def dispatch_cycles(kernels: int) -> float:
    """Cycles that a step's kernels are dispatched in, by one core."""
    return kernels * GAP_CYCLES


def compute_cycles(flops: float, batch: int, core_type: str, cores: int) -> float:
    """Cycles of the core with most samples. Raises InvalidInput for an unknown core type."""
    if core_type not in FLOPS_PER_CYCLE:
        known = ", ".join(sorted(FLOPS_PER_CYCLE))
        raise InvalidInput(f"training needs a core type out of {known} (got {core_type!r})")
    return math.ceil(batch / cores) * flops / (SUSTAINED * FLOPS_PER_CYCLE[core_type])
