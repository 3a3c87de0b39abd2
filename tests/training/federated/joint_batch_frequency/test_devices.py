"""The declared models of GPUs and CPU clusters, and where their figures are from."""

import pytest

from platforms.board import Accelerator
from platforms.board_file import load_board, shipped_boards
from training.federated.fleet import load_fleet
from training.federated.systems.joint_batch_frequency.accelerator import gpu_tables
from training.federated.systems.joint_batch_frequency.cores import Place, cpu_tables
from training.federated.systems.joint_batch_frequency.gpus import (
    GPUS,
    JETSON_NANO,
    gpu_of,
    sections,
)
from training.federated.systems.joint_batch_frequency.workload import WORKLOADS

BATCHES = (4, 16, 64)
TINY = WORKLOADS["tiny-4"]


@pytest.mark.parametrize("gpu", GPUS.values(), ids=lambda gpu: gpu.name)
@pytest.mark.parametrize("load", WORKLOADS.values(), ids=lambda load: load.name)
def test_a_gpu_is_faster_and_hungrier_at_higher_frequency_and_larger_batch(
    gpu: Accelerator, load: object
) -> None:
    """Per sample; the cap's lever is both."""
    tables = gpu_tables(gpu, load, BATCHES)  # type: ignore[arg-type]
    assert "modelled" == tables.origin
    for batch in BATCHES:
        times = [tables.sample_s[batch, freq_hz] for freq_hz in gpu.freqs_hz]
        peaks = [tables.peak_w[batch, freq_hz] for freq_hz in gpu.freqs_hz]
        assert times == sorted(times, reverse=True)
        assert peaks == sorted(peaks)
    for freq_hz in gpu.freqs_hz:
        times = [tables.sample_s[batch, freq_hz] for batch in BATCHES]
        peaks = [tables.peak_w[batch, freq_hz] for batch in BATCHES]
        assert times == sorted(times, reverse=True)
        assert peaks == sorted(peaks)
    assert all(tables.mean_w[pair] <= tables.peak_w[pair] for pair in tables.sample_s)


def test_a_step_is_launching_and_the_slower_of_computing_and_memory() -> None:
    """The equation, by hand, at the top frequency."""
    gpu, (compute, _) = JETSON_NANO, sections(JETSON_NANO)
    tables = gpu_tables(gpu, TINY, BATCHES)
    size = 16 * TINY.flops / TINY.kernels
    compute_s = 16 * TINY.flops / (compute.peak_flops_per_s * size / (size + compute.half_flops))
    memory_s = (TINY.step_bytes + 16 * TINY.sample_bytes) / compute.bandwidth_bytes_per_s
    step_s = TINY.kernels * compute.launch_s + max(compute_s, memory_s)
    assert step_s / 16 == pytest.approx(tables.sample_s[16, gpu.freqs_hz[-1]])


def test_a_fleets_device_has_its_own_speed_and_power() -> None:
    """At full occupancy and the top: its sustained speed; static power is its idle power."""
    device = load_fleet("jetson80").devices[0]
    compute, power = sections(gpu_of(device))
    assert device.flops_per_s == compute.peak_flops_per_s
    most_w = power.static_w + power.dynamic_w + power.memory_w
    assert device.active_power_w == pytest.approx(most_w)


def test_power_of_a_busy_core_is_the_board_files() -> None:
    """Compute-bound, one core: what the file says for the operating point."""
    board = load_board("hikey970")
    tables = cpu_tables(board, WORKLOADS["resnet18"], (4,))
    for cluster in board.clusters:
        top = cluster.opps[-1]
        place = Place(cluster=cluster.name, freq_hz=top.freq_hz, cores=1)
        busy_w = top.core_busy_w + top.cluster_busy_w
        assert busy_w == pytest.approx(tables.peak_w[4, place])


def test_more_cores_are_faster_up_to_the_batch() -> None:
    """A batch is split by samples: four cores do nothing more for a batch of two."""
    board = load_board("rk3588")
    tables = cpu_tables(board, WORKLOADS["resnet18"], (2, 8))
    freq_hz = board.clusters[0].freqs_hz[-1]

    def time_s(batch: int, cores: int) -> float:
        place = Place(cluster=board.clusters[0].name, freq_hz=freq_hz, cores=cores)
        return tables.sample_s[batch, place]

    assert time_s(8, 1) > time_s(8, 2) > time_s(8, 4)
    assert time_s(2, 2) == time_s(2, 4)


def test_every_board_that_ships_has_tables() -> None:
    """Whatever its cores."""
    for name in shipped_boards():
        tables = cpu_tables(load_board(name), TINY, (4, 16))
        places = sum(len(c.opps) * len(c.cores) for c in load_board(name).clusters)
        assert 2 * places == len(tables.sample_s)
