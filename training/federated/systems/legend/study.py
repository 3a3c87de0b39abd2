"""LEGEND's study: virtual time, bytes and waiting to a target, and whether rising ranks help."""

from collections.abc import Callable, Sequence
from statistics import fmean

from rm.evaluation.summary import interval
from training.federated.compare.protocols import TARGET_SHARE
from training.federated.compare.words import accuracy, multiple, percent, points, quantity
from training.federated.study import Outcome, PlainStudy, Point, Size, Table
from training.federated.system import Setup
from training.federated.systems.legend.methods import METHODS
from training.federated.systems.suffix_tuning.readings import (
    Runs,
    difference,
    final_runs,
    judged,
    multiple_to,
    to_target,
    waiting_share,
)

PAPER = (
    "1.5-2.8 times faster to a target accuracy and 42.3 % less traffic than advanced methods "
    "(abstract; 80 Jetson boards, RoBERTa and others; which task and baseline is not known)"
)
SUB_CLAIM = "LoRA layers with higher ranks near the output save resources at comparable quality"
MAIN, NEAR_INPUT = "labels", "tokens"
COURSES = ("legend", "flat-ranks", "decreasing-ranks")
DEVICES = 8


def setups(size: Size, seed: int) -> Sequence[Setup]:
    """All methods where the change is near the output; the courses of ranks also near the input."""
    courses = () if size.name == "smoke" else COURSES
    return [_setup(method, MAIN, seed) for method in METHODS] + [
        _setup(method, NEAR_INPUT, seed) for method in courses
    ]


def _setup(method: str, task: str, seed: int) -> Setup:
    return Setup(
        system="legend",
        method=method,
        task=task,
        fleet="classes20",
        devices=DEVICES,
        seed=seed,
        stand_in="roberta-base",
        options={"steps": 2, "rank_step": 4},
    )


def tables(size: Size, outcomes: Sequence[Outcome]) -> Sequence[Table]:
    """Cost to a target, and the courses of ranks on both tasks."""
    del size
    found = []
    runs = _of_task(outcomes, MAIN, METHODS)
    if runs:
        found.append(_costs(runs))
    for task in (MAIN, NEAR_INPUT):
        courses = _of_task(outcomes, task, COURSES)
        if len(courses) == len(COURSES):
            found.append(_courses(task, courses))
    return found


def _of_task(outcomes: Sequence[Outcome], task: str, methods: Sequence[str]) -> list[Runs]:
    chosen = [
        each
        for each in outcomes
        if each.cell.setup.task == task and each.cell.setup.method in methods
    ]
    return final_runs(chosen, methods)


def target_of(runs: Sequence[Runs]) -> float:
    """So far on the way from the accuracy before training to the best method's at the end."""
    start = fmean(each.mean(lambda outcome: outcome.points[0].test) for each in runs)
    best = max(fmean(each.accuracies()) for each in runs)
    return start + TARGET_SHARE * (best - start)


def _costs(runs: Sequence[Runs]) -> Table:
    target, own = target_of(runs), runs[0]
    return Table(
        title=f"{MAIN}: virtual time and bytes to {percent(target)} % (clock: RoBERTa-base)",
        columns=(
            "method",
            "reached",
            "virtual time",
            f"as multiple of {own.method}",
            "bytes of this model, up and down",
            f"as multiple of {own.method}",
            "waiting, % of devices' time",
            "trained layers per turn",
            "accuracy at the end, %",
        ),
        rows=tuple(_cost_row(each, own, target) for each in runs),
        paper=PAPER,
        verdict=_cost_verdict(runs, target),
    )


def _cost_row(runs: Runs, own: Runs, target: float) -> tuple[str, ...]:
    times = to_target(runs, target, _time)
    reached = sum(time is not None for time in times)
    depth = runs.mean(lambda each: each.notes["trained_layers"] / each.notes["turns"])
    return (
        runs.method,
        f"{reached} of {len(times)}",
        *_spent(runs, own, target, _time, "s"),
        *_spent(runs, own, target, _bytes, "B"),
        percent(runs.mean(waiting_share)),
        f"{depth:.2f}",
        accuracy(interval(runs.accuracies())),
    )


def _spent(
    runs: Runs, own: Runs, target: float, value: Callable[[Point], float], unit: str
) -> tuple[str, str]:
    mine = _all(to_target(runs, target, value))
    if mine is None:
        return "not always reached", "–"
    return (
        quantity(fmean(mine), unit),
        "–" if runs is own else multiple(multiple_to(runs, own, target, value)),
    )


def _cost_verdict(runs: Sequence[Runs], target: float) -> str:
    """LEGEND against the fastest baseline and against uniform LoRA."""
    spent = [(each, _all(to_target(each, target, _time))) for each in runs]
    reached = [(each, fmean(times)) for each, times in spent if times is not None]
    own = next((each for each, _ in reached if each.method == "legend"), None)
    if own is None:
        return "legend does not always reach the target"
    others = [(each, mean_s) for each, mean_s in reached if each is not own]
    if not others:
        return "no baseline always reaches the target"
    fastest, _ = min(others, key=lambda pair: pair[1])
    said = [_needs(f"the fastest baseline ({fastest.method})", fastest, own, target)]
    uniform = [each for each, _ in others if each.method == "uniform"]
    said += [_needs("uniform LoRA", each, own, target) for each in uniform]
    return "; ".join(said)


def _needs(name: str, runs: Runs, own: Runs, target: float) -> str:
    """What a baseline needs to the target, as multiples of LEGEND's."""
    time, size = (multiple(multiple_to(runs, own, target, value)) for value in (_time, _bytes))
    return f"{name} needs {time} legend's time and {size} its bytes"


def _courses(task: str, runs: Sequence[Runs]) -> Table:
    """Whether rising ranks beat flat and falling ones at the same budget and the same depths."""
    own = runs[0]
    near = "output" if task == MAIN else "input"
    early = {each.method: _area(each) for each in runs}
    against = [
        interval([a - b for a, b in zip(early[own.method], early[each.method], strict=True)])
        for each in runs[1:]
    ]
    rows = tuple(
        (
            each.method,
            accuracy(interval(each.accuracies())),
            points(None if each is own else difference(each, own)),
            accuracy(interval(early[each.method])),
            quantity(each.mean(lambda outcome: outcome.points[-1].up_bytes), "B"),
            quantity(each.mean(lambda outcome: outcome.points[-1].time_s), "s"),
        )
        for each in runs
    )
    said = [
        f"{each.method}: {judged(difference(own, each))} at the end, "
        f"{judged(how)} on average over the rounds"
        for each, how in zip(runs[1:], against, strict=True)
    ]
    return Table(
        title=f"{task} (change near the {near}): how ranks run from input to output",
        columns=(
            "ranks",
            "accuracy at the end, %",
            f"− {own.method}, points",
            "mean over the rounds, %",
            "sent",
            "virtual time",
        ),
        rows=rows,
        paper=SUB_CLAIM,
        verdict="accuracy of rising ranks against "
        + "; ".join(said)
        + ". At the same budget a device of little "
        "depth trains more parameters where ranks rise, and sends more",
    )


def _area(runs: Runs) -> list[float]:
    """Mean test accuracy over the rounds, seed by seed."""
    return [fmean(point.test for point in outcome.points[1:]) for outcome in runs.outcomes]


def _time(point: Point) -> float:
    return point.time_s


def _bytes(point: Point) -> float:
    return float(point.up_bytes + point.down_bytes)


def _all(values: Sequence[float | None]) -> list[float] | None:
    """The values, where there are all."""
    found = [value for value in values if value is not None]
    return found if len(found) == len(values) else None


STUDY = PlainStudy(
    grid={"learning_rate": (2e-3, 6e-3, 2e-2, 6e-2)}, make_setups=setups, make_tables=tables
)
