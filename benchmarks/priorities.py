"""What priorities do where not all targets can be met, on the simulated HiKey 970.

    python -m benchmarks.priorities [--seeds 8] [--policy ilgov]

Prints a row for each load: what the two more important applications and all others reach of their
targets (100 % at most, means over the seeds) once with equal and once with unequal priorities, and
for how long the kernel held the clocks down in the minute that is looked at. Applications are drawn
from those that ship with ilgov; each wants the same share of what a big core gives at its top.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from platforms.application import Job
from platforms.application_file import shipped_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.simulated.simulated_board import SimulatedBoard
from rm.governor import Governor
from rm.policies.registry import PolicyContext, policy_factory
from rm.priorities import ByPriority, Ranked

IMPORTANT = 2
SETTLE_S = 30.0
JUDGED_S = 60.0


class App(Struct, frozen=True):
    """An application with its priority."""

    id: int
    priority: int = 0


class Load(Struct, frozen=True):
    """So many applications that want `share` of a big core; `target_c`: where the kernel holds."""

    apps: int
    share: float
    target_c: float | None = None


LOADS = (
    Load(12, 0.6),
    Load(10, 0.8),
    Load(8, 0.7),
    Load(8, 0.9),
    Load(6, 0.9),
    Load(6, 0.8, target_c=52.0),
    Load(4, 0.9, target_c=52.0),
)


def main() -> None:
    """All loads."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=8, help="[8]")
    parser.add_argument("--policy", default="ilgov", help="[ilgov]")
    args = parser.parse_args()
    print(f"{'load':40}{'important':>18}{'others':>18}{'held down':>18}")
    for load in LOADS:
        pairs = [
            [reached(load, args.policy, seed, unequal) for unequal in (False, True)]
            for seed in range(args.seeds)
        ]
        found = np.array(pairs).mean(axis=0)
        held = "" if load.target_c is None else f", held at {load.target_c:.0f} degC"
        head = f"{load.apps} x {load.share} of a big core{held}"
        print(
            f"{head:40}{_percents(found[:, 0]):>18}{_percents(found[:, 1]):>18}"
            f"{found[0, 2]:>9.0f} -> {found[1, 2]:.0f} s"
        )


def reached(load: Load, policy: str, seed: int, unequal: bool) -> tuple[float, float, float]:
    """What the important and the others reach of their targets, and seconds of being held down."""
    known = load_board("hikey970")
    board = simulated(load, known, seed)
    apps = [App(number, int(unequal and number < IMPORTANT)) for number in range(load.apps)]
    met, held_down_s = attained(board, policy, known, apps, settle_s=SETTLE_S, judged_s=JUDGED_S)
    return float(np.mean(met[:IMPORTANT])), float(np.mean(met[IMPORTANT:])), held_down_s


def attained(
    board: SimulatedBoard,
    policy: str,
    known: Board,
    ranked: Sequence[Ranked],
    *,
    settle_s: float,
    judged_s: float,
) -> tuple[list[float], float]:
    """What each reaches of its target (1 at most) once all has settled, by id.

    And for how many seconds the kernel held the clocks down meanwhile.
    """
    inner = policy_factory(policy)(PolicyContext(known, board, None, "numpy"))
    governor = Governor(board, ByPriority(inner, known, lambda: ranked), board.clock)
    governor.run(settle_s)
    before = {app.job.id: app.done(board.now_s) for app in board.running}
    throttled_s = board.throttled_s
    governor.run(settle_s + judged_s)
    met = [
        min(1.0, (app.done(board.now_s) - before[app.job.id]) / judged_s / app.job.target_ips)
        for app in board.running
    ]
    return met, board.throttled_s - throttled_s


def simulated(load: Load, known: Board, seed: int) -> SimulatedBoard:
    """A board that begins with all applications of a load, drawn with a seed."""
    dice, shipped = np.random.default_rng(seed), shipped_applications()
    names = [sorted(shipped)[int(n)] for n in dice.integers(len(shipped), size=load.apps)]
    big = known.clusters[known.clusters_by_capacity[-1]]
    jobs = [
        Job(id=n, profile=shipped[name], target_ips=load.share * shipped[name].ips(big, top_hz))
        for n, name in enumerate(names)
        for top_hz in [big.freqs_hz[-1]]
    ]
    plant, cooling = known, "fan"
    if load.target_c is not None and known.protection is not None:
        cooler = replace(known.protection, target_c=load.target_c, switch_on_c=load.target_c - 5.0)
        plant, cooling = replace(known, protection=cooler), "passive-35"
    return SimulatedBoard(
        plant, cooling=plant.cooling_named(cooling), rng=np.random.default_rng(seed), jobs=jobs
    )


def _percents(before_and_after: Sequence[float]) -> str:
    before, after = before_and_after
    return f"{100 * before:.0f} -> {100 * after:.0f} %"


if __name__ == "__main__":
    main()
