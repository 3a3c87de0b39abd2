"""A floorplan's network at the size that HotSpot was timed at: 30 blocks, steps of 10 ms.

HotSpot's own rate, 0.46 simulated seconds per second, was measured for that size on a machine like
those this project is developed on. The fastest round counts: other work only adds to it.
"""

from pathlib import Path

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture

from platforms.floorplan.block_model import block_network
from platforms.floorplan.package import Package
from platforms.floorplan.plan import Block, Floorplan
from platforms.floorplan.power_trace import PowerTrace
from platforms.floorplan.stepping import Stepper
from platforms.floorplan.temperature_files import TraceWriter
from platforms.floorplan.trace_run import run_trace

HOTSPOT_PER_S = 0.46
STEPS, STEP_S = 20_000, 0.01
PLAN = Floorplan.of(
    tuple(Block(f"b{i}", 3.2e-3, 2.6e-3, 3.2e-3 * (i % 5), 2.6e-3 * (i // 5)) for i in range(30))
)


def _stepper() -> Stepper:
    network = block_network(PLAN, Package())
    return Stepper(network, STEP_S, np.full(len(network.names), network.ambient_k))


def _report(benchmark: BenchmarkFixture, what: str) -> float:
    rate = STEPS * STEP_S / benchmark.stats.stats.min
    times = rate / HOTSPOT_PER_S
    benchmark.extra_info["simulated_s_per_s"] = round(rate)
    benchmark.extra_info["times_hotspot"] = round(times)
    print(f"\n{what}: {rate:.0f} simulated s per s, {times:.0f} times HotSpot's {HOTSPOT_PER_S}")
    return times


def test_solver_is_500_times_as_fast_as_hotspot(benchmark: BenchmarkFixture) -> None:
    """The network built and 200 simulated seconds stepped, powers in memory."""
    power_w = np.random.default_rng(0).uniform(0.0, 3.0, (STEPS, len(PLAN.blocks)))

    def solve() -> np.ndarray:
        stepper = _stepper()
        return np.concatenate([stepper.advance(part) for part in np.split(power_w, 5)])

    assert (STEPS, len(PLAN.blocks)) == benchmark(solve).shape
    assert _report(benchmark, "solver") >= 500


def test_files_to_files_is_500_times_as_fast_as_hotspot(
    benchmark: BenchmarkFixture, tmp_path: Path
) -> None:
    """The same with the power trace parsed and the temperature trace written, as HotSpot does."""
    source, out = tmp_path / "a.ptrace", tmp_path / "a.ttrace"
    power_w = np.random.default_rng(0).uniform(0.0, 3.0, (STEPS, len(PLAN.blocks)))
    head = "\t".join(PLAN.names)
    np.savetxt(source, power_w, fmt="%.6f", delimiter="\t", header=head, comments="")

    def convert() -> int:
        trace = PowerTrace(source, PLAN.names)
        with out.open("w") as handle:
            writer = TraceWriter(handle, trace.header)
            return run_trace(trace, _stepper(), write=writer.write).steps

    assert benchmark(convert) == STEPS
    assert _report(benchmark, "files to files") >= 500
