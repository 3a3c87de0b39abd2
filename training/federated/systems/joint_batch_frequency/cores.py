"""A declared model of a board's CPU clusters in training, on the board files of ilgov.

    step time = kernels x gap + max(compute, memory traffic)
    compute   = samples of the fullest core x FLOPs / (share x FLOPs per cycle x f)
    power     = cores x (leakage + (busy - leakage) x activity) + the cluster's shared part
    activity  = floor + (1 - floor) x share of the time that is computing

Power is the SoC's CPU alone; temperature is not in it. A batch is split over the cores by samples,
so that a batch below the number of cores leaves some idle.
"""

import math
from collections.abc import Iterator, Sequence

from msgspec import Struct

from platforms.board import Board, Cluster, OperatingPoint
from training.federated.systems.joint_batch_frequency.tables import Tables
from training.federated.systems.joint_batch_frequency.workload import Workload

FLOPS_PER_CYCLE = {
    "cortex-a7": 2,
    "cortex-a15": 8,
    "cortex-a53": 8,
    "cortex-a55": 8,
    "cortex-a73": 8,
    "cortex-a76": 16,
}
"""Float32 peak of one core, as commonly stated for its NEON units (assumed)."""

SUSTAINED = 0.4
"""Share of the peak that training sustains (assumed)."""

GAP_CYCLES = 50_000
"""Cycles of dispatch per kernel.

Derived: tiny-4 in PyTorch on one x86 core took 3.4 ms of CPU time per step beside the time that
grows with the batch, 160 kernels; a clock of 2.5 GHz is assumed, and the same cycles on Arm.
"""


class Place(Struct, frozen=True, kw_only=True, order=True):
    """Where to train: a cluster at a frequency, on so many of its cores."""

    cluster: str
    freq_hz: int
    cores: int


def cpu_tables(board: Board, load: Workload, batches: Sequence[int]) -> Tables[Place]:
    """The tables of a board's CPU; a place is a cluster, its frequency and a number of cores."""
    sample_s, peak_w, mean_w = {}, {}, {}
    for cluster, opp, cores in _places(board):
        place = Place(cluster=cluster.name, freq_hz=opp.freq_hz, cores=cores)
        for batch in batches:
            compute_s = _compute_s(cluster, opp, load, batch, cores)
            memory_s = (load.step_bytes + batch * load.sample_bytes) / (
                board.memory.bandwidth_bytes_per_s
            )
            kernel_s = max(compute_s, memory_s)
            gap_s = load.kernels * GAP_CYCLES / opp.freq_hz
            busy_cores = min(cores, batch)
            busy_w = _power_w(cluster, opp, busy_cores, compute_s / kernel_s)
            gap_w = _power_w(cluster, opp, 1, 1.0)
            pair = (batch, place)
            step_s = kernel_s + gap_s
            sample_s[pair] = step_s / batch
            peak_w[pair] = max(busy_w, gap_w)
            mean_w[pair] = (busy_w * kernel_s + gap_w * gap_s) / step_s
    return Tables(sample_s=sample_s, peak_w=peak_w, mean_w=mean_w, origin="modelled")


def _places(board: Board) -> Iterator[tuple[Cluster, OperatingPoint, int]]:
    for cluster in board.clusters:
        for opp in cluster.opps:
            for cores in range(1, len(cluster.cores) + 1):
                yield cluster, opp, cores


def _compute_s(
    cluster: Cluster, opp: OperatingPoint, load: Workload, batch: int, cores: int
) -> float:
    speed = SUSTAINED * FLOPS_PER_CYCLE[cluster.core_type] * opp.freq_hz
    return math.ceil(batch / cores) * load.flops / speed


def _power_w(cluster: Cluster, opp: OperatingPoint, cores: int, computing: float) -> float:
    activity = cluster.activity_floor + (1 - cluster.activity_floor) * computing
    leak_w = cluster.leakage_w_per_v3 * opp.volt_v**3
    return cores * (leak_w + (opp.core_busy_w - leak_w) * activity) + opp.cluster_busy_w
