"""The command ``ilgov board``: known boards, what files say, if they are right, what this is."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import entry_points
from typing import Any

import msgspec

from platforms.board import Accelerator, Board, Cluster, CoolingSetup
from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput
from platforms.floorplan import command as floorplan_command
from platforms.linux.probe import probe_command

VERBS = "ilgov.board_verbs"
"""The entry points of verbs that need more than boards: functions that configure a parser."""


def board(parser: argparse.ArgumentParser) -> None:
    """Show the boards that ilgov knows, check board files, find out what this machine is.

    Adds ``list``, ``show``, ``check``, ``probe`` and ``from-floorplan``, and the verbs of higher
    packages (entry points of the group ``ilgov.board_verbs``); exit code 2 where a file is wrong or
    this machine can be no board.
    """
    more = sorted(entry_points(group=VERBS), key=lambda point: point.name)
    names = ["list", "show", "check", "probe", "from-floorplan", *(point.name for point in more)]
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="|".join(names))
    listing = verbs.add_parser("list", help="the boards that come with ilgov")
    listing.add_argument("--json", action="store_true", help="as JSON, for machines")
    listing.set_defaults(run=_run_list)
    show = verbs.add_parser("show", help="operating points, power, thermal network, cooling")
    show.add_argument("board", metavar="NAME", help="a board's name, or the path of a board file")
    show.add_argument("--json", action="store_true", help="everything as JSON, sources included")
    show.add_argument("--sources", action="store_true", help="say where each value comes from")
    show.set_defaults(run=_run_show)
    check = verbs.add_parser("check", help="check board files")
    check.add_argument("paths", nargs="+", metavar="PATH", help="a board file, or a board's name")
    check.set_defaults(run=_run_check)
    probe = verbs.add_parser("probe", help="find out what board this machine is, and describe it")
    probe_command.configure(probe)
    floorplan = verbs.add_parser("from-floorplan", help="a thermal network from HotSpot's files")
    floorplan_command.configure(floorplan)
    for point in more:
        configure = point.load()
        summary = (configure.__doc__ or "").strip().partition("\n")[0]
        configure(verbs.add_parser(point.name, help=summary, allow_abbrev=False))


def _run_list(args: argparse.Namespace) -> int:
    boards = [load_board(name) for name in shipped_boards()]
    if args.json:
        print(json.dumps([_summary(board) for board in boards], indent=2))
    else:
        print("\n".join(_list_lines(boards)))
    return 0


def _run_show(args: argparse.Namespace) -> int:
    shown = load_board(args.board)
    if args.json:
        print(json.dumps(msgspec.to_builtins(shown), indent=2))
    else:
        print("\n".join(_show_lines(shown, with_sources=args.sources)))
    return 0


def _run_check(args: argparse.Namespace) -> int:
    """Check all files before giving up, so that one run names every wrong one."""
    worst = 0
    for path in args.paths:
        try:
            load_board(path)
        except InvalidInput as error:
            print(error, file=sys.stderr)
            worst = 2
        else:
            print(f"{path}: ok")
    return worst


def _summary(board: Board) -> dict[str, Any]:
    return {
        "name": board.name,
        "title": board.title,
        "soc": board.soc,
        "clusters": [
            {"name": c.name, "core_type": c.core_type, "cores": list(c.cores)}
            for c in board.clusters
        ],
        "cooling": [setup.name for setup in board.cooling],
    }


def _list_lines(boards: Iterable[Board]) -> Iterator[str]:
    rows = [
        (
            board.name,
            board.soc,
            ", ".join(f"{c.name} {len(c.cores)} x {c.core_type}" for c in board.clusters),
            ", ".join(setup.name for setup in board.cooling),
        )
        for board in boards
    ]
    yield from _table(("name", "soc", "clusters", "cooling"), rows)


def _show_lines(board: Board, *, with_sources: bool) -> Iterator[str]:
    """The board as text: one block per section, its sources below it where they are asked for."""
    yield f"{board.name}: {board.title} ({board.soc}), {board.core_count} cores"
    for title, lines, sources in _blocks(board):
        yield from ("", title)
        yield from (f"  {line}" for line in lines)
        if with_sources and sources:
            yield "  sources:"
            yield from (f"    {line}" for line in _table((), list(sources.items())))


def _blocks(board: Board) -> Iterator[tuple[str, Iterable[str], dict[str, str]]]:
    for cluster in board.clusters:
        title = f"cluster {cluster.name}: {cluster.core_type}, cores {_cores(cluster.cores)}"
        yield title, _cluster_lines(cluster, board.leakage.ref_temp_c), cluster.sources
    yield "leakage against temperature", _leakage_lines(board), board.leakage.sources
    yield "memory", _memory_lines(board), board.memory.sources
    yield "thermal network", _thermal_lines(board), board.thermal.sources
    for setup in board.cooling:
        yield f"cooling {setup.name}", _cooling_lines(setup), setup.sources
    yield from _sensor_blocks(board)
    for accelerator in board.accelerators:
        title = f"{accelerator.kind} {accelerator.name}"
        yield title, _accelerator_lines(accelerator), accelerator.sources
    rest = (f"{board.rest_of_board.power_w:g} W",)
    yield "rest of the board", rest, board.rest_of_board.sources


def _cluster_lines(cluster: Cluster, ref_temp_c: float) -> Iterator[str]:
    headers = ("MHz", "V", "core busy W", f"of it leakage at {ref_temp_c:g} degC", "shared W")
    rows = [
        (
            _mhz(opp.freq_hz),
            f"{opp.volt_v:g}",
            f"{opp.core_busy_w:.3f}",
            f"{cluster.leakage_w_per_v3 * opp.volt_v**3:.3f}",
            f"{opp.cluster_busy_w:.3f}",
            "-" if opp.capacity is None else str(opp.capacity),
        )
        for opp in cluster.opps
    ]
    l2 = f"{cluster.l2_bytes / 1024:g} KiB {'shared' if cluster.l2_shared else 'per core'}"
    yield from _table((*headers, "capacity"), rows)
    yield f"idle: core {cluster.core_wfi_w:g} W, shared {cluster.cluster_idle_w:g} W"
    for state in cluster.idle_states:
        times = (state.entry_s, state.exit_s, state.min_residency_s)
        entry, leave, stay = (f"{time_s * 1e6:g} us" for time_s in times)
        yield f"idle state {state.name}: entry {entry}, exit {leave}, worth it from {stay}"
    yield f"activity of a stalled core {cluster.activity_floor:g}, L2 {l2}"
    latency = f"{cluster.dvfs_latency_s * 1e6:g} us"
    yield f"DVFS latency {latency}, thermal weight {cluster.thermal_weight}"
    if cluster.stand_in:
        yield (
            f"applications run as on {cluster.stand_in.core_type}, cpi x "
            f"{cluster.stand_in.cpi_scale:g}, stall x {cluster.stand_in.stall_scale:g}"
        )


def _leakage_lines(board: Board) -> Iterator[str]:
    leakage = board.leakage
    powers = ("", " T", " T^2", " T^3")
    terms = zip(leakage.coefficients, powers, strict=True)
    curve = " + ".join(f"{c:g}{power}" for c, power in terms).replace("+ -", "- ")
    yield f"{curve}, T in degC, within {leakage.lowest:g} ... {leakage.highest:g}"
    yield f"relative to its value at {leakage.ref_temp_c:g} degC"


def _memory_lines(board: Board) -> Iterator[str]:
    memory = board.memory
    bandwidth = f"{memory.bandwidth_bytes_per_s / 1e9:g} GB/s"
    yield f"{bandwidth}, latency {memory.latency_s * 1e9:g} ns"
    if memory.freqs_hz:
        yield f"clocks {', '.join(map(_mhz, memory.freqs_hz))} MHz"


def _thermal_lines(board: Board) -> Iterator[str]:
    thermal = board.thermal
    nodes = [
        (
            node.name,
            f"{node.capacity_j_per_k:g}",
            ", ".join(
                f"{other} {link.conductance_w_per_k:g}"
                for link in thermal.links
                if node.name in link.between
                for other in link.between
                if other != node.name
            ),
        )
        for node in thermal.nodes
    ]
    yield from _table(("node", "J/K", "conducts to (W/K)"), nodes)
    shares = thermal.shares_of_air
    if len(shares) == 1:
        yield f"{thermal.ambient_node} gives the heat to the air"
    else:
        parts = ", ".join(f"{node} {share:.3g}" for node, share in shares.items())
        yield f"heat goes to the air by shares from {parts}"
    yield f"{thermal.cluster_node} takes the clusters' shared power"


def _cooling_lines(setup: CoolingSetup) -> Iterator[str]:
    yield f"{1 / setup.conductance_w_per_k:.3g} K/W to air of {setup.ambient_c:g} degC"
    if setup.then:
        yield f"from {setup.then.at_share:.0%} of a run on as {setup.then.cooling}"


def _sensor_blocks(board: Board) -> Iterator[tuple[str, Iterable[str], dict[str, str]]]:
    for sensor in board.sensors:
        weights = ", ".join(f"{weight:g} {node}" for node, weight in sensor.weights.items())
        text = (
            f"{weights}; every {sensor.period_s:g} s in steps of {sensor.step_k:g} K, "
            f"noise {sensor.noise_k:g} K"
        )
        yield f"sensor {sensor.name}", (text,), sensor.sources
    if board.protection:
        kernel = board.protection
        text = (
            f"sensor {kernel.sensor}: on at {kernel.switch_on_c:g} degC, target "
            f"{kernel.target_c:g} degC, hysteresis {kernel.hysteresis_k:g} K, polled every "
            f"{kernel.polling_s:g} s, sustainable {kernel.sustainable_w:g} W"
        )
        yield "the kernel's own thermal protection", (text,), kernel.sources


def _accelerator_lines(accelerator: Accelerator) -> Iterator[str]:
    points = [(_mhz(opp.freq_hz), f"{opp.volt_v:g}") for opp in accelerator.opps]
    if points:
        yield from _table(("MHz", "V"), points)
    else:
        yield "no operating point is known"
    compute, power = accelerator.compute, accelerator.power
    if compute:
        yield (
            f"trains: {compute.peak_flops_per_s / 1e9:.4g} GFLOP/s, half of it at "
            f"{compute.half_flops / 1e6:.4g} MFLOP a kernel, launch "
            f"{compute.launch_s * 1e6:.3g} us, memory "
            f"{compute.bandwidth_bytes_per_s / 1e9:.4g} GB/s"
        )
    if power:
        yield (
            f"power into {power.node}: static {power.static_w:g} W, dynamic {power.dynamic_w:g} W "
            f"({power.activity_floor:g} of it when it waits), memory {power.memory_w:g} W"
        )


def _mhz(freq_hz: int) -> str:
    return f"{freq_hz / 1e6:.0f}"


def _cores(cores: Sequence[int]) -> str:
    """Cores as ``0-3`` where they follow each other, else ``0, 2``."""
    if len(cores) > 1 and list(cores) == list(range(cores[0], cores[-1] + 1)):
        return f"{cores[0]}-{cores[-1]}"
    return ", ".join(map(str, cores))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell, two spaces apart; no headers, no head line."""
    lines = [headers, *rows] if headers else list(rows)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()
