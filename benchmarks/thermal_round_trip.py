"""Does the thermal fit recover what it says it recovers? Random boards with known parameters.

    nice python benchmarks/thermal_round_trip.py --boards 50

Boards are drawn around the shipped ones (conductances and capacities up to a factor of 1.6 either
way, air 15 to 35 degC, sensors with steps of 0.1 to 1 K and noise of 0.1 to 0.6 K), and recorded
on the simulator for four runs of five minutes of random programs on random cores at random
operating points. Every other board shows the clusters' rails; for the rest power is modelled and
leakage feeds back. Printed: how often the true value lies in the stated 95 % interval, for every
parameter, and on how many boards the intervals that are stated to hold together all do.
"""

import argparse
from collections import defaultdict

import numpy as np

from platforms.application_file import shipped_applications
from platforms.board_file import load_board
from traces.calibration.thermal_fit import ThermalFit, fit_thermal
from traces.calibration.thermal_trial import Trial, draw_trial

_BOARDS = ("hikey970", "hikey960", "rk3588")


def main() -> None:
    """Run the trials and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boards", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    inside: dict[str, list[bool]] = defaultdict(list)
    skipped: dict[str, int] = defaultdict(int)
    together, shares = [], []
    for number in range(arguments.boards):
        trial, fit = trial_and_fit(number, arguments.seed)
        held = count(trial, fit, inside, skipped)
        together.append(held)
        shares.append(_share_inside(trial, fit))
    print(f"{'parameter':40} identified   inside its 95 % interval")
    for name in sorted(set(inside) | set(skipped)):
        hits = inside[name]
        told = f"{sum(hits)}/{len(hits)} = {np.mean(hits):.0%}" if hits else "-"
        print(f"{name:40} {len(hits):3}/{len(hits) + skipped[name]:<3}      {told}")
    every = [hit for hits in inside.values() for hit in hits]
    print(f"all identified parameters: {sum(every)}/{len(every)} = {np.mean(every):.1%}")
    print(f"boards with at least 90 % of theirs inside: {np.mean(np.array(shares) >= 0.9):.0%}")
    print(f"boards where the intervals stated to hold together all do: {np.mean(together):.0%}")


def trial_and_fit(number: int, seed: int) -> tuple[Trial, ThermalFit]:
    """Trial `number` of a benchmark: boards and kinds of power take turns."""
    rng = np.random.default_rng([seed, number])
    shipped = load_board(_BOARDS[number % len(_BOARDS)])
    trial = draw_trial(shipped, shipped_applications(), rng, rails=number % 2 == 0)
    return trial, fit_thermal(trial.plan, trial.data, shape=trial.shape)


def count(
    trial: Trial, fit: ThermalFit, inside: dict[str, list[bool]], skipped: dict[str, int]
) -> bool:
    """Count a trial's parameters; whether the intervals that should hold together do."""
    together = fit.converged
    for found in fit.estimates:
        true = trial.truth[found.name]
        if found.identified:
            inside[found.name].append(found.low <= true <= found.high)
            together &= found.all_low <= true <= found.all_high
        else:
            skipped[found.name] += 1
    return together


def _share_inside(trial: Trial, fit: ThermalFit) -> float:
    told = [e for e in fit.estimates if e.identified]
    return float(np.mean([e.low <= trial.truth[e.name] <= e.high for e in told]))


if __name__ == "__main__":
    main()
