"""The model that fills in what a design left out, on runs of a real machine.

    ilgov trace import --board odroid-xu3 --out powmon.parquet powmon_a15.tsv.gz
    python -m benchmarks.sampling_measured powmon.parquet --sensor C4

Of each program's runs, all on one cluster, some clocks are kept and the model tells the others.
Printed per number of clocks: the errors of the rate and of the temperature at clocks that were left
out, for all programs and for those that keep their core busy at every clock.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oracle.demonstrations import Scenario, scenarios
from oracle.measured_runs import read_runs
from platforms.board import Board
from platforms.board_file import load_board
from traces.fill_model import FillModel, Runs

Vector = NDArray[np.float64]

KEPT = (2, 3, 4, 5)
BUSY = 0.95


def left_out(board: Board, one: Scenario, cluster: int, kept: int) -> tuple[Vector, Vector]:
    """Errors of the rate (relative) and of the temperature (K) at the clocks that are left out."""
    places = np.argwhere(np.isfinite(one.sweep.rate_ips))
    clocks = np.unique(places[:, 1 + cluster])
    shown = clocks[np.linspace(0, len(clocks) - 1, kept).round().astype(int)]
    known = np.isin(places[:, 1 + cluster], shown)
    seen, hidden = places[known], places[~known]
    at = tuple(seen.T)
    runs = Runs(seen[:, 0], seen[:, 1:], one.sweep.rate_ips[at], one.sweep.temp_c[at])
    told = FillModel(board, runs).predict(hidden[:, 0], hidden[:, 1:])
    at = tuple(hidden.T)
    return told.rate_ips / one.sweep.rate_ips[at] - 1.0, told.temp_c - one.sweep.temp_c[at]


def is_busy(board: Board, one: Scenario, cluster: int) -> bool:
    """Whether the program keeps a core busy in every run."""
    places = np.argwhere(np.isfinite(one.sweep.rate_ips))
    cores = list(board.clusters[cluster].cores)
    return all(one.core_utilisation[tuple(place)][cores].sum() >= BUSY for place in places)


def line(board: Board, found: Sequence[Scenario], cluster: int, kept: int) -> str:
    """A row of the table."""
    errors = [left_out(board, one, cluster, kept) for one in found]
    rates, temps = (np.abs(np.concatenate(part)) for part in zip(*errors, strict=True))
    return (
        f"| {kept} | {len(rates)} | {100 * np.median(rates):.1f} %, "
        f"{100 * np.percentile(rates, 95):.0f} % | {np.median(temps):.2f} K, "
        f"{np.sqrt(np.mean(temps**2)):.2f} K, {np.percentile(temps, 95):.2f} K |"
    )


def main() -> None:
    """Print a table for all programs, and one for the busy ones."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("measurements", type=Path)
    parser.add_argument("--board", default="odroid-xu3")
    parser.add_argument("--sensor")
    args = parser.parse_args()
    board = load_board(args.board)
    traces, _ = read_runs(args.measurements, board, sensor=args.sensor)
    programs = list(scenarios(board, traces))
    cluster = board.cluster_of_core[traces.column("application_core")[0].as_py()]
    busy = [one for one in programs if is_busy(board, one, cluster)]
    for title, some in (("all", programs), (f"busy for {BUSY:.0%} at every clock", busy)):
        print(f"{len(some)} programs ({title})")
        print("| clocks | points | rate: median, 95 % | temperature: median, RMS, 95 % |")
        print("|---|---|---|---|")
        for kept in KEPT:
            print(line(board, some, cluster, kept))


if __name__ == "__main__":
    main()
