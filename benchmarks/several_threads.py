"""How policies treat applications of several threads, on the simulated HiKey 970.

    python -m benchmarks.several_threads [--first 100] [--seeds 12] [--policies oracle ilgov ...]

Prints a row for each mix and policy: the sensor's mean (simulated), what it is above the first
policy's, the least that any application reached of its target in any scene (from 20 to 60 s), and
the migrations in a minute. A scene's applications are drawn from those that ship with ilgov, those
of several threads with two or three, and start where the kernel would put them. Constants were
chosen on seeds below 100. About half a minute of processor time a policy.
"""

import argparse

import numpy as np
from msgspec import Struct

from platforms.application import Job
from platforms.application_file import shipped_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.simulated.simulated_board import SimulatedBoard
from rm.governor import Governor
from rm.policies.registry import PolicyContext, policy_factory

SETTLE_S = 20.0
UNTIL_S = 60.0


class Mix(Struct, frozen=True):
    """So many applications of several threads, and of one, under a cooling setup."""

    teams: int
    singles: int
    cooling: str = "fan"


MIXES = (
    Mix(1, 0),
    Mix(2, 0),
    Mix(1, 2),
    Mix(1, 4),
    Mix(2, 3),
    Mix(3, 2),
    Mix(2, 3, "passive"),
)


class Ran(Struct, frozen=True):
    """The sensor's mean, the least attained of any target, and the number of migrations."""

    temp_c: float
    attained: float
    migrations: int


def main() -> None:
    """All mixes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--first", type=int, default=100, help="the first seed [100]")
    parser.add_argument("--seeds", type=int, default=12, help="[12]")
    known = ["oracle", "ilgov", "little-first"]
    parser.add_argument("--policies", nargs="+", default=known, help=f"[{' '.join(known)}]")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.seeds)
    for mix in MIXES:
        first_c: float | None = None
        for policy in args.policies:
            ran = [run(mix, policy, seed) for seed in seeds]
            temp_c = float(np.mean([one.temp_c for one in ran]))
            first_c = temp_c if first_c is None else first_c
            print(
                f"{mix.teams} of several threads, {mix.singles} of one, {mix.cooling:8}"
                f"{policy:16}{temp_c:7.2f} degC{temp_c - first_c:+7.2f} K"
                f"{100 * min(one.attained for one in ran):6.0f} %"
                f"{np.mean([one.migrations for one in ran]):7.1f} migrations",
                flush=True,
            )


def run(mix: Mix, policy: str, seed: int) -> Ran:
    """A minute of one scene."""
    known = load_board("hikey970")
    board = SimulatedBoard(
        known,
        cooling=known.cooling_named(mix.cooling),
        rng=np.random.default_rng(1),
        jobs=jobs(mix, known, seed),
        run_s=UNTIL_S,
    )
    inner = policy_factory(policy)(PolicyContext(known, board, None, "numpy"))
    seen_c: list[float] = []
    settling = Governor(board, inner, board.clock)
    settling.run(SETTLE_S)
    before = {app.job.id: app.done(board.now_s) for app in board.running}
    judged = Governor(
        board, inner, board.clock, listener=lambda *_: seen_c.append(board.sensor_temp_c)
    )
    judged.run(UNTIL_S)
    attained = [
        (app.done(board.now_s) - before[app.job.id]) / (UNTIL_S - SETTLE_S) / app.job.target_ips
        for app in board.running
    ]
    return Ran(float(np.mean(seen_c)), min(attained), settling.migrations + judged.migrations)


def jobs(mix: Mix, known: Board, seed: int) -> list[Job]:
    """The applications of a scene; who has several threads wants as much for each."""
    dice, shipped = np.random.default_rng(seed), shipped_applications()
    names, big = sorted(shipped), known.clusters[known.clusters_by_capacity[-1]]
    found = []
    for number in range(mix.teams + mix.singles):
        profile = shipped[names[int(dice.integers(len(names)))]]
        several = number < mix.teams
        threads = int(dice.integers(2, 4)) if several else 1
        share = float(dice.uniform(0.1, 0.5 if several else 0.6))
        target_ips = threads * share * profile.ips(big, big.freqs_hz[-1])
        found.append(Job(id=number, profile=profile, target_ips=target_ips, threads=threads))
    return found


if __name__ == "__main__":
    main()
