"""Tests of the declared model of an accelerator in training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.accelerator_model import accelerator_point
from platforms.board import Accelerator, AcceleratorCompute, AcceleratorPoint, AcceleratorPower
from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput
from platforms.training_work import TrainingWork
from tests.platforms.programs import HIKEY
from tests.platforms.training_boards import WORKS

GPU = Accelerator(
    name="gpu",
    kind="gpu",
    opps=(
        AcceleratorPoint(freq_hz=500_000_000, volt_v=0.8),
        AcceleratorPoint(freq_hz=1_000_000_000, volt_v=1.0),
    ),
    compute=AcceleratorCompute(
        peak_flops_per_s=1e12, bandwidth_bytes_per_s=1e10, launch_s=1e-5, half_flops=1e6
    ),
    power=AcceleratorPower(
        static_w=1.0, dynamic_w=8.0, memory_w=2.0, activity_floor=0.25, node="gpu"
    ),
    sources={},
)

NANO_GPU = load_board("jetson-nano").accelerators[0]

STEP = TrainingWork(
    knobs={"batch": 10},
    flops=1e9,
    sample_bytes=1e7,
    step_bytes=0.0,
    kernels=10_000,
    memory_bytes=1,
)
"""1e6 FLOPs a kernel, so half occupancy: 20 ms at the top, 40 ms at half the clock; 10 ms memory;
0.1 s of launching."""


def test_a_step_at_the_top_by_hand() -> None:
    """Launching, then computing; activity is the half that is occupied."""
    point = accelerator_point(GPU, STEP, 1)
    activity = 0.25 + 0.75 * 0.5
    extra_w = 8.0 * activity + 2.0 * 0.5
    assert [0.012, 1.0 + extra_w, 1.0 + extra_w * 0.02 / 0.12] == pytest.approx(
        [point.sample_s, point.peak_w, point.mean_w]
    )


def test_half_the_clock_computes_half_as_fast_and_saves_its_voltage_too() -> None:
    """Launching does not slow down: it is the host's."""
    point = accelerator_point(GPU, STEP, 0)
    extra_w = 8.0 * 0.5 * 0.8**2 * (0.25 + 0.75 * 0.5) + 2.0 * 0.25
    assert [0.014, 1.0 + extra_w] == pytest.approx([point.sample_s, point.peak_w])


def test_half_a_host_core_launches_half_as_fast() -> None:
    """Mean power falls with the longer gaps, peak power does not."""
    whole, half = (accelerator_point(GPU, STEP, 1, host_share=share) for share in (1.0, 0.5))
    assert 0.022 == pytest.approx(half.sample_s)
    assert half.peak_w == whole.peak_w
    assert half.mean_w < whole.mean_w


@given(st.integers(0, 10), st.sampled_from(WORKS))
def test_power_rises_with_the_clock_and_never_above_the_sum_of_its_parts(
    opp: int, work: TrainingWork
) -> None:
    """On the Jetson Nano: faster, hungrier, and mean below peak."""
    gpu = NANO_GPU
    assert gpu.power is not None
    here, faster = accelerator_point(gpu, work, opp), accelerator_point(gpu, work, opp + 1)
    assert faster.sample_s <= here.sample_s
    assert faster.peak_w >= here.peak_w
    most_w = gpu.power.static_w + gpu.power.dynamic_w + gpu.power.memory_w
    assert gpu.power.static_w < here.mean_w <= here.peak_w <= most_w


def test_an_accelerator_that_is_only_described_is_refused() -> None:
    """Nobody knows how fast the Kirin's GPU trains."""
    with pytest.raises(InvalidInput, match="mali-g72 must have compute and power to train"):
        accelerator_point(HIKEY.accelerators[0], STEP, 0)


def test_the_jetsons_gpus_compute_and_no_other_shipped_accelerator_does() -> None:
    """Decisions over accelerators follow this list."""
    found = {n: [a.name for a in load_board(n).compute_accelerators] for n in shipped_boards()}
    assert {"jetson-nano": ["gm20b"], "jetson-orin-nano": ["ga10b"]} == {
        name: names for name, names in found.items() if names
    }
