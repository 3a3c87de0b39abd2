"""From HotSpot's files to a network in a board file, and to temperatures as HotSpot's."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from platforms.atomic_file import replacing
from platforms.board_file import load_board, parse_board
from platforms.errors import InvalidInput, ThermalLimit
from platforms.floorplan.block_model import CAPACITY_FACTOR, block_network
from platforms.floorplan.block_network import BlockNetwork
from platforms.floorplan.config_file import read_config
from platforms.floorplan.flp_file import read_flp
from platforms.floorplan.materials_file import read_materials
from platforms.floorplan.package import Package
from platforms.floorplan.plan import Floorplan
from platforms.floorplan.power_trace import PowerTrace
from platforms.floorplan.progress import Progress
from platforms.floorplan.shipped import config_path, flp_path
from platforms.floorplan.stepping import Stepper, clipped_k, steady_k
from platforms.floorplan.temperature_files import TraceWriter, read_steady, write_steady
from platforms.floorplan.to_board import core_blocks, shared_block, thermal_part, with_thermal_part
from platforms.floorplan.trace_run import TraceSummary, run_trace
from platforms.linux.probe.board_text import board_text, section_lines

_HOT_K = 500.0

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _Chip:
    plan: Floorplan
    package: Package
    network: BlockNetwork
    origin: str


def run(args: argparse.Namespace) -> int:
    """Do what the options of ``from-floorplan`` ask; InvalidInput, and nothing written, else."""
    _check_options(args)
    chip = _chip(args)
    print("\n".join(_chip_lines(chip)))
    with ExitStack() as written:
        if args.ptrace:
            _run_trace(args, chip, written)
        if args.out:
            text = _board_text(args, chip)
            written.enter_context(replacing(args.out)).write_text(text, "utf-8")
    for path in (args.steady, args.ttrace, args.out):
        if path:
            print(f"wrote {path}")
    return 0


def _check_options(args: argparse.Namespace) -> None:
    for name in ("steady", "ttrace", "init"):
        if getattr(args, name) and not args.ptrace:
            raise InvalidInput(f"--{name} needs a power trace; give --ptrace FILE")
    for name in ("board", "cores", "cluster_block"):
        if getattr(args, name) and not args.out:
            raise InvalidInput(f"--{name.replace('_', '-')} is for the file of --out; give it too")
    outputs = [path.resolve() for path in (args.steady, args.ttrace, args.out) if path]
    inputs = [args.config, args.materials, args.ptrace, args.init, flp_path(args.flp)]
    read = {path.resolve() for path in inputs if path}
    if len(set(outputs)) != len(outputs) or read & set(outputs):
        raise InvalidInput("the files to write must be different ones, and none that is read")


def _chip(args: argparse.Namespace) -> _Chip:
    path, config = flp_path(args.flp), args.config or config_path(args.flp)
    if config is None:
        raise InvalidInput("--config is required for a floorplan of your own")
    plan = read_flp(path)
    package = read_config(config, read_materials(args.materials) if args.materials else None)
    try:
        network = block_network(plan, package)
    except InvalidInput as error:
        raise InvalidInput(f"{path}, {config}: {error}") from error
    return _Chip(plan, package, network, f"{path.name} and {config.name}")


def _chip_lines(chip: _Chip) -> Iterator[str]:
    plan, package = chip.plan, chip.package
    rates = chip.network.heat.decay_rates
    yield (
        f"{chip.network.blocks} blocks on {plan.width_m * 1e3:.4g} x {plan.height_m * 1e3:.4g} mm, "
        f"{len(chip.network.names)} nodes, {1 / chip.network.to_air.sum():.4g} K/W from the sink "
        f"to air of {package.ambient_k:g} K"
    )
    yield (
        f"time constants {1 / rates[-1]:.3g} ... {1 / rates[0]:.3g} s; heat capacities times "
        f"HotSpot's factor {CAPACITY_FACTOR}"
    )
    if plan.gap_share > 1e-3:
        yield (
            f"no block covers {plan.gap_share:.1%} of the die: as in HotSpot there is neither "
            "silicon nor spreader nor sink there"
        )
    if package.defaulted:
        keys = ", ".join(package.defaulted)
        yield f"by HotSpot's defaults, as the package leaves them out: {keys}"


def _run_trace(args: argparse.Namespace, chip: _Chip, written: ExitStack) -> None:
    network, package = chip.network, chip.package
    trace = PowerTrace(args.ptrace, chip.plan.names)
    progress = Progress(trace, package.step_s, time.monotonic, sys.stderr)
    begun = time.monotonic()
    if args.ttrace:
        stepper = Stepper(network, package.step_s, _start_k(args, chip))
        part = written.enter_context(replacing(args.ttrace))
        with part.open("w", encoding="utf-8") as handle:
            writer = TraceWriter(handle, trace.header)
            done = run_trace(trace, stepper, write=writer.write, progress=progress)
    else:
        done = run_trace(trace, progress=progress)
    leaking = chip.plan.areas_m2 if package.leakage else None
    try:
        temp_k = steady_k(network, done.mean_power_w, leaking)
    except ThermalLimit as error:
        raise InvalidInput(f"{args.ptrace}: {error}") from error
    if args.steady:
        write_steady(written.enter_context(replacing(args.steady)), network.names, temp_k)
    print("\n".join(_trace_lines(chip, done, temp_k, time.monotonic() - begun)))


def _start_k(args: argparse.Namespace, chip: _Chip) -> Vector:
    """The temperatures at the start, by ``--init``, or by the package's file or number."""
    package, path = chip.package, args.init
    if path is None and package.init_file is not None:
        path = Path(package.init_file)
        beside = (args.config or Path()).parent / path
        path = path if path.exists() or not beside.exists() else beside
    if path is None:
        return np.full(len(chip.network.names), package.init_k)
    start_k = read_steady(path, chip.network.names)
    if package.clip_k is not None:
        start_k = clipped_k(start_k, chip.network, package.clip_k)
    return start_k


def _trace_lines(chip: _Chip, done: TraceSummary, temp_k: Vector, passed_s: float) -> Iterator[str]:
    simulated_s = done.steps * chip.package.step_s
    yield (
        f"{done.steps} steps, {simulated_s:g} s, in {passed_s:.2f} s; mean power "
        f"{done.mean_power_w.sum():.4g} W"
    )
    hottest = int(np.argmax(temp_k[: chip.network.blocks]))
    yield f"hottest block when steady: {chip.plan.names[hottest]}, {temp_k[hottest]:.2f} K"
    if temp_k[hottest] > _HOT_K:
        yield f"above {_HOT_K:g} K no chip lives: are the trace's powers in watts?"
    if chip.package.leakage:
        yield "steady temperatures with HotSpot's leakage; the trace without it, as in HotSpot"


def _board_text(args: argparse.Namespace, chip: _Chip) -> str:
    cores = core_blocks(chip.network, args.cores)
    cluster_block = shared_block(chip.network, cores, args.cluster_block)
    part = thermal_part(chip.network, cores, cluster_block, chip.origin)
    head = [f"The heat is HotSpot's block model of {chip.origin}, by ilgov board from-floorplan."]
    if args.board is None:
        lines = [*(f"# {line}" for line in head), "", *section_lines("thermal", part.thermal)]
        return "\n".join([*lines, "", *section_lines("cooling", part.cooling)]) + "\n"
    base = load_board(args.board)
    board = with_thermal_part(base, part, f"{base.name}-{flp_path(args.flp).stem}")
    text = board_text(board, head=[*head, f"All else is as in the board file of {base.name}."])
    parse_board(text, origin=str(args.out))
    return text
