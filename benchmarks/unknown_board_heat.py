"""How well a calibrated board tells temperatures that no sensor shows, beside its skeleton.

    python -m benchmarks.unknown_board_heat --work /var/tmp/unknown-board

After `benchmarks.unknown_board`: random programs on random cores at random operating points settle
on the hidden board, on the calibrated and on the skeleton, each with its own profiles of the same
programs. Errors are RMS over situations that the hidden board holds without running away, K; those
of differences are between two mappings of the same programs, each at the least points for equal
targets: what a policy decides by. All simulated.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

from benchmarks.hidden_board import COOLINGS
from oracle.whatif import Wanted, WhatIf
from platforms.application import ApplicationProfile
from platforms.application_file import load_suite, shipped_applications
from platforms.board import Board
from platforms.board_file import load_board

COUNT = 400
Model = tuple[WhatIf, dict[str, ApplicationProfile]]


def models(folder: Path, cooling: str) -> dict[str, Model]:
    """The hidden board, the calibrated one and the skeleton, with their programs."""
    boards = {n: load_board(str(folder / f"{n}.toml")) for n in ("true", "calibrated", "skeleton")}
    programs = {
        "true": load_suite(folder / "cbench.toml"),
        "calibrated": load_suite(folder / "fitted.toml"),
        "skeleton": shipped_applications(),
    }
    return {
        name: (WhatIf(board, board.cooling_named(cooling)), programs[name])
        for name, board in boards.items()
    }


def settled(model: Model, names: list[str], cores: list[int], shares: list[float]) -> list[float]:
    """Hottest core and sensor, degC, at the least points for these shares of the best rates."""
    what_if, programs = model
    strongest = what_if.board.clusters[-1]
    apps = [
        Wanted(
            i,
            programs[name],
            0,
            share * programs[name].ips(strongest, strongest.freqs_hz[-1]),
            1,
            (core,),
        )
        for i, (name, core, share) in enumerate(zip(names, cores, shares, strict=True))
    ]
    placement = tuple(app.cores for app in apps)
    found = what_if.evaluate(apps, placement, what_if.least_opps(apps, placement))
    return [found.peak_c, found.sensor_c]


def errors(folder: Path, cooling: str) -> dict[str, list[float]]:
    """RMS of peak, sensor and difference of peaks between mappings, by board."""
    known = models(folder, cooling)
    board: Board = known["true"][0].board
    types = {cluster.core_type for cluster in board.clusters}
    complete = [
        {name for name, one in programs.items() if types <= set(one.core_profiles)}
        for _, programs in known.values()
    ]
    names = sorted(set.intersection(*complete))
    rng = np.random.default_rng(970)
    seen: dict[str, list[list[float]]] = {name: [] for name in known}
    while len(seen["true"]) < COUNT:
        count = int(rng.integers(1, 7))
        drawn = [str(name) for name in rng.choice(names, size=count)]
        shares = rng.uniform(0.1, 0.4, size=count).tolist()
        mappings = [
            rng.choice(board.core_count, size=count, replace=False).tolist() for _ in range(2)
        ]
        at = {
            name: [settled(model, drawn, cores, shares) for cores in mappings]
            for name, model in known.items()
        }
        if np.isfinite(list(at.values())).all():
            for name, ((peak, sensor), (other, _)) in at.items():
                seen[name].append([peak, sensor, peak - other])
    truth = np.array(seen["true"])
    return {
        name: np.sqrt(np.mean((np.array(values) - truth) ** 2, axis=0)).tolist()
        for name, values in seen.items()
        if name != "true"
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the study")
    args = parser.parse_args()
    print("| board | cooling | known by | hottest core, K | sensor, K | between mappings, K |")
    print("|---|---|---|---|---|---|")
    folders = sorted(args.work.glob("board-*"))
    for folder, cooling in itertools.product(folders, COOLINGS):
        for name, found in errors(folder, cooling).items():
            cells = " | ".join(f"{value:.2f}" for value in found)
            print(f"| {folder.name[6:]} | {cooling} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
