"""The tables of a GPU in training: `platforms.accelerator_model` at every batch and frequency."""

from collections.abc import Sequence

from platforms.accelerator_model import accelerator_point
from platforms.board import Accelerator
from platforms.training_work import BATCH, TrainingWork
from training.federated.systems.joint_batch_frequency.tables import Tables
from training.federated.systems.joint_batch_frequency.workload import Workload


def gpu_tables(gpu: Accelerator, load: Workload, batches: Sequence[int]) -> Tables[int]:
    """The GPU's tables; a place is a frequency in hertz."""
    points = {
        (batch, opp.freq_hz): accelerator_point(gpu, work_of(load, batch), index)
        for batch in batches
        for index, opp in enumerate(gpu.opps)
    }
    return Tables(
        sample_s={pair: point.sample_s for pair, point in points.items()},
        peak_w={pair: point.peak_w for pair, point in points.items()},
        mean_w={pair: point.mean_w for pair, point in points.items()},
        origin="modelled",
    )


def work_of(load: Workload, batch: int) -> TrainingWork:
    """What a step of a batch asks of a processor."""
    return TrainingWork(
        knobs={BATCH: batch},
        flops=load.flops,
        sample_bytes=load.sample_bytes,
        step_bytes=load.step_bytes,
        kernels=load.kernels,
        memory_bytes=load.peak_bytes(batch),
    )
