"""A declared model of a board's CPU clusters in training, on the board files of ilgov.

    step time = kernels x gap + max(compute, memory traffic)
    compute   = samples of the fullest core x FLOPs / (share x FLOPs per cycle x f)
    power     = cores x (leakage + (busy - leakage) x activity) + the cluster's shared part
    activity  = floor + (1 - floor) x share of the time that is computing

Power is the SoC's CPU alone; temperature is not in it. A batch is split over the cores by samples,
so that a batch below the number of cores leaves some idle. What cores sustain and a kernel's gap
are those of `platforms.training_work`; the simulated board stalls for its traffic beside computing,
where this model, which the study was made with, takes the longer of the two.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from platforms.board import Board, Cluster, OperatingPoint
from platforms.training_work import compute_cycles, dispatch_cycles
from training.federated.systems.joint_batch_frequency.tables import Tables
from training.federated.systems.joint_batch_frequency.workload import Workload


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
            cycles = compute_cycles(load.flops, batch, cluster.core_type, cores)
            compute_s = cycles / opp.freq_hz
            memory_s = (load.step_bytes + batch * load.sample_bytes) / (
                board.memory.bandwidth_bytes_per_s
            )
            kernel_s = max(compute_s, memory_s)
            gap_s = dispatch_cycles(load.kernels) / opp.freq_hz
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


def _power_w(cluster: Cluster, opp: OperatingPoint, cores: int, computing: float) -> float:
    activity = cluster.activity_floor + (1 - cluster.activity_floor) * computing
    leak_w = cluster.leakage_w_per_v3 * opp.volt_v**3
    return cores * (leak_w + (opp.core_busy_w - leak_w) * activity) + opp.cluster_busy_w
