"""Training alone under a power cap: the planner's choice against the exhaustive optimum.

    python -m benchmarks.training_planner_caps [--seeds 10]

The planner chooses by what a job declares: the shipped trainings' tables and the server's proxy
curve (digits 0 to 4). What its choice is worth is said by the truth: FLOPs, kernels and traffic off
by up to 10 % each as an episode draws them, and the samples that digits 5 to 9 take. The exhaustive
optimum tries every mode on the truth. Frequency capping is the state of the art: the batch is
fixed, everything is trained, on all cores of the fastest cluster, or the GPU, at the highest
frequency under the cap; the published gain of the joint choice over it is up to 2.3 to 2.4 times
(arXiv 2502.18323, on a Jetson). All figures are of modelled boards.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from platforms.board import Board
from platforms.board_file import load_board
from platforms.training_work import Efficiency, TrainingFile, load_training
from rm.evaluation.training.truth import varied_works
from rm.planner.alone import best_under_cap
from rm.planner.capability import modelled_capability
from rm.planner.mode_table import ModeTable, mode_table
from training.federated.profile.networks import BATCHES
from training.federated.profile.proxy import RULE
from training.federated.systems.joint_batch_frequency.experiment import count_rule

BOARDS = ("jetson-nano", "jetson-orin-nano", "hikey970")
TRAININGS = ("tiny-4", "transformer-6x256", "resnet18")
CAPS = 12
VARIATION = 0.1


class Case(NamedTuple):
    """One cap for one training on one board, with one draw of the truth.

    `over_optimum` is the time to accuracy relative to the exhaustive optimum's, by what the planner
    knew; `over_fixed` that of frequency capping relative to ours, by its batch.
    """

    board: str
    over_optimum: dict[str, float]
    passed_w: float
    over_fixed: dict[int, float]


KNOWN = (
    "declared tables, proxy curve",
    "measured tables, proxy curve",
    "declared tables, own curve",
)
"""What the planner may know: the first is a job that was never measured on the device."""


def cases(seeds: int, target: Efficiency) -> Iterator[Case]:
    """All of them."""
    for name in BOARDS:
        board = load_board(name)
        for shipped in TRAININGS:
            training = load_training(shipped)
            for seed in range(seeds):
                yield from _of_one(board, training, seed, target)


def _of_one(board: Board, training: TrainingFile, seed: int, target: Efficiency) -> Iterator[Case]:
    rng = np.random.default_rng(seed)
    works = varied_works(training.works, rng, share=VARIATION)
    declared = mode_table(board, modelled_capability(board, training.works, training.curve))
    measured = mode_table(board, modelled_capability(board, works, training.curve))
    own = mode_table(board, modelled_capability(board, training.works, target))
    true = mode_table(board, modelled_capability(board, works, target))
    times_s = true.sample_s * true.samples_to_goal
    batches = np.array([work.batch for work in training.works])[declared.setting]
    usual = _usual(board, declared, training)
    least_w = max(declared.peak_w.min(), true.peak_w.min())
    for cap_w in np.geomspace(least_w, declared.peak_w.max(), CAPS):
        best_s = times_s[true.peak_w <= cap_w].min()
        chosen = [best_under_cap(table, cap_w) for table in (declared, measured, own)]
        pairs = zip(KNOWN, chosen, strict=True)
        fixed = {}
        for batch in BATCHES:
            capped = usual & (batches == batch) & (declared.peak_w <= cap_w)
            if capped.any():
                highest = int(np.argmax(np.where(capped, declared.opp, -1)))
                fixed[batch] = float(times_s[highest] / times_s[chosen[0]])
        yield Case(
            board.name,
            {known: float(times_s[row] / best_s) for known, row in pairs},
            float(max(0.0, true.peak_w[chosen[0]] - cap_w)),
            fixed,
        )


def _usual(board: Board, table: ModeTable, training: TrainingFile) -> NDArray[np.bool_]:
    """The modes that frequency capping knows: all layers, on all there is of the best unit."""
    depths = np.array([work.knobs.get("depth", 1.0) for work in training.works])
    whole: NDArray[np.bool_] = (depths == depths.max())[table.setting]
    if board.compute_accelerators:
        return whole & (table.unit >= table.clusters)
    best = board.clusters_by_capacity[-1]
    return whole & (table.unit == best) & (table.cores == len(board.clusters[best].cores))


def tell(cases: list[Case], name: str) -> None:
    """How near the planner is to the optimum, by what it knows."""
    print(f"{name}: {len(cases)} cases; time to accuracy over the exhaustive optimum's")
    for known in KNOWN:
        over = np.array([case.over_optimum[known] for case in cases])
        print(
            f"  {known}: median {np.median(over):.3f}, 95th percentile "
            f"{np.quantile(over, 0.95):.3f}, most {over.max():.3f}"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="draws of the truth [%(default)s]")
    parser.add_argument("--counts", type=int, default=11, help="runs per batch [%(default)s]")
    args = parser.parse_args()
    medians = count_rule(RULE, args.counts).medians("target")
    target = Efficiency(batches=BATCHES, samples=tuple(medians[batch] for batch in BATCHES))
    print(f"target's own samples by batch: {dict(zip(BATCHES, target.samples, strict=True))}")
    found = list(cases(args.seeds, target))
    tell(found, "all boards")
    print(f"caps passed on the truth: by {max(case.passed_w for case in found):.3f} W at most")
    for name in BOARDS:
        own = [case for case in found if case.board == name]
        tell(own, name)
        for batch in BATCHES:
            gains = np.array([case.over_fixed[batch] for case in own if batch in case.over_fixed])
            print(
                f"  frequency capping with batch {batch}: median {np.median(gains):.2f}, most "
                f"{gains.max():.2f} times as long (published: up to 2.3 to 2.4); it can keep "
                f"{len(gains)} of {len(own)} caps"
            )


if __name__ == "__main__":
    main()
