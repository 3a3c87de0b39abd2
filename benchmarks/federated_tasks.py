"""How far plain federated averaging comes on a task, for several learning rates.

    python benchmarks/federated_tasks.py topics tiny-2 --rates 0.001,0.003,0.01

Ten devices take five local steps of 16 examples in every round; all of them take part, and the
server weighs what they send by their examples. One seed; a line is the test accuracy before
training and after every five rounds.
"""

import argparse
from collections.abc import Iterator
from time import process_time

import numpy as np

from training.federated.dice import seed_for
from training.federated.exchange import Arrays
from training.federated.local import Optimiser, accuracy, train_steps
from training.federated.models.load import load_model
from training.federated.models.shape import Shape, shape_of
from training.federated.suffix import Suffix, arrays_of, load_arrays, prepare
from training.federated.system import Setup
from training.federated.tasks.load import load_task
from training.federated.tasks.task import Task

DEVICES = 10
STEPS = 5
BATCH = 16
SEED = 0


def main() -> None:
    """Print a line per suffix and learning rate."""
    args = _arguments()
    setup = Setup(
        system="none", method="none", task=args.task, devices=DEVICES, alpha=args.alpha,
        options={"model": args.model},
    )  # fmt: skip
    task = load_task(setup)
    for name in args.suffixes.split(","):
        for rate in map(float, args.rates.split(",")):
            began = process_time()
            curve = list(_curve(task, name, args.optimiser, rate, args.rounds))
            shown = " ".join(f"{value:.3f}" for value in curve)
            seconds = process_time() - began
            print(
                f"{task.name} {task.model} {name} {args.optimiser} {rate:g}: {shown}"
                f" ({seconds:.0f} s of CPU)",
                flush=True,
            )


def suffix_of(name: str, shape: Shape) -> Suffix:
    """all, topK, head; with :R after it LoRA of rank R."""
    part, _, rank = name.partition(":")
    depth = {"all": shape.layers, "head": 0}.get(part)
    if depth is None:
        depth = int(part.removeprefix("top"))
    return Suffix(depth, (int(rank),) * depth if rank else None)


def _curve(
    task: Task, name: str, optimiser: Optimiser, rate: float, rounds: int
) -> Iterator[float]:
    model = load_model(task.model, "", task.classes, SEED)
    suffix = suffix_of(name, shape_of(model))
    prepare(model, suffix)
    yield accuracy(model, task.test)
    shared: Arrays = arrays_of(model, suffix)
    shares = np.array([len(part) for part in task.parts]) / sum(map(len, task.parts))
    for round_ in range(1, rounds + 1):
        sums = {key: np.zeros_like(array) for key, array in shared.items()}
        for device, part in enumerate(task.parts):
            load_arrays(model, shared)
            train_steps(
                model, part, steps=STEPS, batch=BATCH, learning_rate=rate, optimiser=optimiser,
                seed=seed_for(SEED, "round", round_, device),
            )  # fmt: skip
            for key, array in arrays_of(model, suffix).items():
                sums[key] += (shares[device] * array).astype(array.dtype)
        shared = sums
        if round_ % 5 == 0:
            load_arrays(model, shared)
            yield accuracy(model, task.test)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task")
    parser.add_argument("model")
    parser.add_argument("--suffixes", default="all", help="all, topK or head; all:4 is LoRA")
    parser.add_argument("--optimiser", default="adamw", choices=("sgd", "adamw"))
    parser.add_argument("--rates", default="0.003")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--alpha", type=float, default=1.0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
