"""What each sampling design of ``ilgov trace record`` saves, and what it costs in accuracy.

    python -m benchmarks.sampling_designs [--cooling fan] [--scenarios 40]

On the simulated HiKey 970 the whole grid is recorded, and every design's part of it is taken; the
model fills in the rest (`oracle.filling`), as ``ilgov oracle labels --fill model`` does. Printed
per design, as a Markdown table:

  runs, hours    of the recording, on a real board that settles as the board file says
  rate, temp     the model's error at points that were not run: RMS, and 95 % lie below the latter
  other core     share of demands whose coolest core is another one than by the whole grid, and
                 share where it is even on another cluster
  regret         how much hotter that core is, by the whole grid: mean over all demands, and 95 %
  missed         share of demands for which a core is chosen that in truth misses the target

Scenarios that the model refuses to fill in (too few runs that did not throttle) are counted. The
last line records the whole grid once more: what the sensor's noise alone changes.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from oracle.demonstrations import OracleParameters, Scenario, draw_demands, scenarios
from oracle.filling import fill
from oracle.labels import FEASIBLE, Sweep, choose
from platforms.application_file import find_applications
from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from traces.estimate import estimate
from traces.experiment import open_simulated
from traces.plan import Plan, draw_scenarios, opp_grid
from traces.record import record_scenario
from traces.schema import applications_digest, board_digest
from traces.store import arrow_schema

DESIGNS = (
    "full",
    "axes",
    "latin:16",
    "corners+latin:8",
    "latin:8",
    "corners+latin:4",
    "latin:4",
    "corners",
    "latin:3",
    "latin:2",
)
PARAMETERS = OracleParameters()
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """What a design came to; arrays over points that were not run, or over demands."""

    rate_error: Vector
    temp_error_k: Vector
    other_core: NDArray[np.bool_]
    other_cluster: NDArray[np.bool_]
    regret_k: Vector
    missed: NDArray[np.bool_]


def plan_for(board: Board, cooling: str, count: int, seed: int) -> Plan:
    """As ``ilgov trace record`` draws it, without held-out applications."""
    profiles = find_applications(["cbench"])
    names = [profile.name for profile in profiles]
    rng = np.random.default_rng(seed)
    return Plan(
        board=board.name,
        board_sha256=board_digest(board),
        applications_sha256=applications_digest(profiles),
        cooling=cooling,
        seed=seed,
        window_s=30.0,
        variation=0.15,
        diversity=0.4,
        grid=opp_grid(board, None),
        scenarios=draw_scenarios(board, [names], count=count, most_background=6, rng=rng),
    )


def recorded(board: Board, plan: Plan) -> list[Scenario]:
    """Every scenario of the plan, recorded on the simulated board."""
    profiles = {profile.name: profile for profile in find_applications(["cbench"])}
    open_ = open_simulated(board, plan, profiles)
    rows = [row for one in plan.scenarios for row in record_scenario(board, plan, one, open_)]
    return list(scenarios(board, pa.Table.from_pylist(rows, schema=arrow_schema("traces"))))


def part_of(board: Board, plan: Plan, number: int, whole: Scenario) -> Scenario:
    """What a plan's design visits of a scenario."""
    visited = np.zeros(whole.sweep.rate_ips.shape, dtype=bool)
    for run in plan.runs(plan.scenarios[number], board):
        visited[(run.core, *run.opps)] = True
    sweep = Sweep(
        np.where(visited, whole.sweep.rate_ips, np.nan),
        np.where(visited, whole.sweep.temp_c, np.nan),
        whole.sweep.occupied,
    )
    return replace(whole, sweep=sweep, throttled=whole.throttled & visited)


def compared(board: Board, whole: Scenario, other: Scenario) -> Figures:
    """A scenario as filled in, or as recorded again, against the whole grid."""
    both = np.isfinite(whole.sweep.temp_c) & np.isfinite(other.sweep.temp_c)
    points = both & (other.modelled if other.modelled.any() else both)
    rng = np.random.default_rng([PARAMETERS.seed, whole.number])
    demands = draw_demands(board, whole, PARAMETERS, rng)
    asked = {"target_ips": demands.target_ips, "background_opp": demands.background_opp}
    truth = choose(whole.sweep, board.cluster_of_core, **asked)
    found = choose(other.sweep, board.cluster_of_core, **asked)
    solvable = (truth.status == FEASIBLE).any(axis=1) & (found.status == FEASIBLE).any(axis=1)
    true_c = np.where(truth.status == FEASIBLE, truth.temp_c, np.inf)[solvable]
    found_c = np.where(found.status == FEASIBLE, found.temp_c, np.inf)[solvable]
    at, chosen = np.arange(len(true_c)), found_c.argmin(axis=1)
    regret_k = true_c[at, chosen] - true_c.min(axis=1)
    missed = ~np.isfinite(regret_k)
    rates = other.sweep.rate_ips[points] / whole.sweep.rate_ips[points] - 1.0
    temps = other.sweep.temp_c[points] - whole.sweep.temp_c[points]
    owner, best = np.array(board.cluster_of_core), true_c.argmin(axis=1)
    return Figures(
        rate_error=rates,
        temp_error_k=temps,
        other_core=chosen != best,
        other_cluster=owner[chosen] != owner[best],
        regret_k=np.where(missed, 0.0, regret_k),
        missed=missed,
    )


def line(name: str, runs: int, hours: float, found: Sequence[Figures]) -> str:
    """A row of the table."""
    rate, temp, other, cluster, regret, missed = (
        np.concatenate([getattr(one, field) for one in found])
        for field in (
            "rate_error",
            "temp_error_k",
            "other_core",
            "other_cluster",
            "regret_k",
            "missed",
        )
    )
    if name == "full":
        return f"| {name} | {runs} | {hours:.0f} | – | – | – | – | – |"

    def rms(values: Vector) -> float:
        return float(np.sqrt(np.mean(values**2)))

    return (
        f"| {name} | {runs} | {hours:.0f} | {100 * rms(rate):.2f} % | {rms(temp):.2f} K, "
        f"{np.percentile(np.abs(temp), 95):.2f} K | {100 * np.mean(other):.0f} %, "
        f"{100 * np.mean(cluster):.1f} % | "
        f"{np.mean(regret):.3f} K, {np.percentile(regret, 95):.2f} K | "
        f"{100 * np.mean(missed):.2f} % |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--board", default="hikey970")
    parser.add_argument("--cooling", default="fan")
    parser.add_argument("--scenarios", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    board = load_board(args.board)
    plan = plan_for(board, args.cooling, args.scenarios, args.seed)
    whole = recorded(board, plan)
    print("| design | runs | hours | rate | temperature | other core | regret | missed |")
    print("|---|---|---|---|---|---|---|---|")
    for design in DESIGNS:
        sparse = msgspec.structs.replace(plan, design=design)
        found, refused = [], 0
        for number, one in enumerate(whole):
            try:
                filled, _ = fill(board, part_of(board, sparse, number, one), plan.axes)
            except InvalidInput:
                refused += 1
                continue
            found.append(compared(board, one, filled))
        hours = estimate(board, sparse).total_s / 3600
        name = f"{design} ({refused} scenarios refused)" if refused else design
        print(line(name, sparse.run_count(board), hours, found), flush=True)
    again = recorded(board, msgspec.structs.replace(plan, grid=plan.grid[::-1]))
    found = [compared(board, one, other) for one, other in zip(whole, again, strict=True)]
    hours = estimate(board, plan).total_s / 3600
    print(line("full, again", plan.run_count(board), hours, found))


if __name__ == "__main__":
    main()
