"""CAFF's study: accuracy of CAFF and its baselines under equal memory, upload and FLOPs."""

from collections.abc import Callable, Sequence
from typing import Any

from rm.evaluation.summary import interval
from training.federated.compare.protocols import within
from training.federated.compare.words import accuracy, percent, points, quantity
from training.federated.study import Outcome, PlainStudy, Size, Table
from training.federated.system import Setup
from training.federated.systems.caff.cost_table import cost_table
from training.federated.systems.caff.methods import METHODS
from training.federated.systems.suffix_tuning.readings import (
    Runs,
    difference,
    final_runs,
    judged,
    note_per_round,
    per_round,
)

PAPER = (
    "clearly higher accuracy than its baselines under memory limits, level with LoRA under upload "
    "limits, better use of resources (Shakespeare, CIFAR-10 and -100; as a digest has it, without "
    "figures)"
)
TASK, NEAR_INPUT = "labels", "tokens"
DEVICES = 8
MEMORY = {"memory_share": 1.5, "upload_share": 0.0}
UPLOAD = {"memory_share": 0.0, "upload_share": 0.5}
UPLOAD_METHODS = ("caff", "lora-r2", "lora-r8", "lora-depth")
NEAR_INPUT_METHODS = ("caff", "lora-depth", "head")


def setups(size: Size, seed: int) -> Sequence[Setup]:
    """All methods under limits of memory, some on a task whose change is near the input too.

    Those that can send little also under limits of upload.
    """
    smoke = size.name == "smoke"
    uploads = UPLOAD_METHODS[:2] if smoke else UPLOAD_METHODS
    near_input = () if smoke else NEAR_INPUT_METHODS
    return [
        *(_setup(method, TASK, MEMORY, seed) for method in METHODS),
        *(_setup(method, NEAR_INPUT, MEMORY, seed) for method in near_input),
        *(_setup(method, TASK, UPLOAD, seed) for method in uploads),
    ]


def _setup(method: str, task: str, limits: dict[str, float], seed: int) -> Setup:
    options: dict[str, Any] = {"steps": 2, **limits}
    return Setup(
        system="caff",
        method=method,
        task=task,
        fleet="classes20",
        devices=DEVICES,
        seed=seed,
        options=options,
    )


def tables(size: Size, outcomes: Sequence[Outcome]) -> Sequence[Table]:
    """Equal memory, equal upload, equal FLOPs, and what the same upload costs in memory."""
    del size
    memory = _of(outcomes, TASK, MEMORY)
    near_input = _of(outcomes, NEAR_INPUT, MEMORY)
    upload = _of(outcomes, TASK, UPLOAD)
    found = [cost_table()]
    title = "Equal memory: each device within its limit, at the end of all rounds"
    if memory:
        found += [_limited(f"{title} ({TASK}, change near the output)", memory)]
        found += [_equal_flops(memory)]
    if near_input:
        found += [_limited(f"{title} ({NEAR_INPUT}, change near the input)", near_input)]
    if upload:
        title = "Equal upload: each device within its limit per round, at the end of all rounds"
        found += [_limited(f"{title} ({TASK})", upload)]
    return found


def _of(outcomes: Sequence[Outcome], task: str, limits: dict[str, float]) -> list[Runs]:
    """Final runs of a task under one kind of limit."""
    setups = [(each, each.cell.setup) for each in outcomes]
    share = limits["memory_share"]
    chosen = [
        each
        for each, setup in setups
        if setup.task == task and setup.options["memory_share"] == share
    ]
    return final_runs(chosen, METHODS)


def _limited(title: str, runs: Sequence[Runs]) -> Table:
    own = runs[0]
    return Table(
        title=title,
        columns=(
            "method",
            "layers of the model",
            "devices taking part",
            "trained layers per device of the fleet",
            "peak memory",
            "sent per round",
            "FLOPs per round",
            "accuracy, %",
            f"− {own.method}, points",
        ),
        rows=tuple(_row(each, own) for each in runs),
        paper=PAPER,
        verdict=_verdict(runs),
    )


def _row(runs: Runs, own: Runs) -> tuple[str, ...]:
    return (
        runs.method,
        f"{runs.mean(lambda each: note_per_round(each, 'layers')):.0f}",
        f"{runs.mean(lambda each: note_per_round(each, 'turns')):.1f} of {DEVICES}",
        f"{runs.mean(lambda each: note_per_round(each, 'trained_layers')) / DEVICES:.2f}",
        quantity(runs.mean(lambda each: each.peak_bytes), "B"),
        quantity(runs.mean(lambda each: per_round(each, lambda point: point.up_bytes)), "B"),
        quantity(runs.mean(lambda each: per_round(each, lambda point: point.flops)), "FLOP"),
        accuracy(interval(runs.accuracies())),
        points(None if runs is own else difference(runs, own)),
    )


def _verdict(runs: Sequence[Runs]) -> str:
    """What each baseline's accuracy is against CAFF's."""
    own, *others = runs
    said: dict[str, list[str]] = {}
    for each in others:
        said.setdefault(judged(difference(each, own)), []).append(each.method)
    found = (f"{text}: {', '.join(methods)}" for text, methods in said.items())
    return f"accuracy against {own.method}'s: {'; '.join(found)}"


def _equal_flops(runs: Sequence[Runs]) -> Table:
    """Accuracies when the fleet has computed as much as the cheapest run that trains layers did."""
    spent: Callable[[Outcome], float] = lambda each: each.points[-1].flops  # noqa: E731
    trains = [each for each in runs if each.method != "head"]
    budget = min(spent(outcome) for each in trains for outcome in each.outcomes)
    reads = {each.method: _at(each, budget) for each in runs}
    own = reads[runs[0].method]
    rows = tuple(
        (
            method,
            percent(sum(values) / len(values)),
            points(
                interval([value - other for value, other in zip(values, own, strict=True)])
                if method != runs[0].method
                else None
            ),
        )
        for method, values in reads.items()
    )
    return Table(
        title=f"Equal FLOPs: accuracy when the fleet has computed {quantity(budget, 'FLOP')}",
        columns=("method", "accuracy, %", f"− {runs[0].method}, points"),
        rows=rows,
        paper=PAPER,
        verdict="read from the runs under limits of memory; head alone never computes as much and "
        "is read at its end",
    )


def _at(runs: Runs, budget: float) -> list[float]:
    return [within(outcome, "flops", budget).test for outcome in runs.outcomes]


STUDY = PlainStudy(
    grid={"learning_rate": (2.5e-4, 1e-3, 4e-3, 1.6e-2, 6.4e-2)},
    make_setups=setups,
    make_tables=tables,
    scene_options=tuple(MEMORY),
)
