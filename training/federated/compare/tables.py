"""The comparison's tables, as text that HTML, Markdown and the terminal show alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rm.evaluation.summary import Interval
from training.federated.compare.document import Cheapest, Compared, Document, Headline, headlines
from training.federated.compare.protocols import RESOURCES, Cost, Scene
from training.federated.compare.tuning import Trial, Tuned
from training.federated.compare.words import (
    NOTHING,
    accuracy,
    multiple,
    number,
    percent,
    points,
    quantity,
)
from training.federated.study import Table

UNITS = {"time": "s", "bytes": "B", "energy": "J", "flops": "FLOP"}
TITLES = {"time": "virtual time", "bytes": "bytes", "energy": "energy", "flops": "FLOPs"}


def overview(document: Document) -> tuple[Table, Table]:
    """Each system against its strongest baselines, scene by scene: accuracy, then cost."""
    lines = headlines(document)
    quality = Table(
        title="Accuracy at the end",
        columns=("system", "task", "accuracy, %", "best baseline", "difference, points", ""),
        rows=tuple(map(_quality_line, lines)),
    )
    cost = Table(
        title="Cost to target: the cheapest baseline's as a multiple of the system's",
        columns=("system", "task", *(TITLES[name] for name in RESOURCES)),
        rows=tuple(map(_cost_line, lines)),
    )
    return quality, cost


def _quality_line(line: Headline) -> tuple[str, ...]:
    return (
        line.system,
        line.scene,
        accuracy(line.accuracy),
        line.baseline or NOTHING,
        points(line.difference),
        judged(line.difference, 0.0),
    )


def _cost_line(line: Headline) -> tuple[str, ...]:
    return (line.system, line.scene, *(_cheaper(one, line) for one in line.cheapest))


def _cheaper(one: Cheapest, line: Headline) -> str:
    if line.reached < line.seeds:
        return f"reached in {line.reached} of {line.seeds}"
    if one.baseline is None:
        return "no baseline reached it"
    return f"{multiple(one.ratio)}, {one.baseline}"


def judged(value: Interval | None, equal: float) -> str:
    """What an interval says of a system, where more than `equal` is better.

    >>> judged(Interval(mean=1.2, low=0.9, high=1.6, n=5), 1.0)
    'not shown'
    """
    if value is None or value.low is None or value.high is None:
        return ""
    if value.low > equal:
        return "better"
    return "worse" if value.high < equal else "not shown"


def protocol_tables(scene: Scene) -> tuple[Table, ...]:
    """The tables of one scene."""
    return (_summary(scene), _quality(scene), _cost(scene), _robustness(scene))


def _summary(scene: Scene) -> Table:
    rows = tuple(
        (
            one.contestant,
            accuracy(one.accuracy),
            points(one.difference),
            quantity(one.time_s, "s"),
            quantity(one.waiting_s, "s"),
            quantity(one.energy_j, "J"),
            quantity(one.up_bytes, "B"),
            quantity(one.down_bytes, "B"),
            quantity(one.flops, "FLOP"),
            quantity(one.peak_bytes, "B"),
        )
        for one in scene.summary
    )
    columns = (
        "method",
        "accuracy, %",
        f"− {scene.reference}, points",
        "virtual time",
        "waiting, all devices",
        "energy",
        "up",
        "down",
        "FLOPs",
        "peak memory",
    )
    unsound = [f"{one.unsound} of {one.contestant}" for one in scene.summary if one.unsound]
    verdict = f"replies that were not finite were left out: {', '.join(unsound)}" if unsound else ""
    return Table(title="At the end of all rounds", columns=columns, rows=rows, verdict=verdict)


def _quality(scene: Scene) -> Table:
    budgets = {one.resource: one.budget for one in scene.quality}
    found = {(one.contestant, one.resource): one for one in scene.quality}

    def cell(contestant: str, resource: str) -> str:
        one = found[contestant, resource]
        less = f", {points(one.difference)}" if one.difference else ""
        return f"{percent(one.accuracy.mean)}{less}"

    return Table(
        title=f"Quality under budget: accuracy in %, difference to {scene.reference} in points",
        columns=("method", *(f"{quantity(budgets[name], UNITS[name])}" for name in RESOURCES)),
        rows=_by_contestant(scene, cell),
    )


def _cost(scene: Scene) -> Table:
    found = {(one.contestant, one.resource): one for one in scene.cost}

    def cell(contestant: str, resource: str) -> str:
        return cost_text(found[contestant, resource])

    return Table(
        title=f"Cost to target: spent up to {percent(scene.target)} %, "
        f"as multiples of {scene.reference}",
        columns=("method", *(TITLES[name] for name in RESOURCES)),
        rows=_by_contestant(scene, cell),
    )


def cost_text(one: Cost) -> str:
    """What was spent up to the target, or in how many seeds it was reached."""
    if one.cost is None:
        return f"reached in {one.reached} of {one.seeds}"
    ratio = f", {multiple(one.ratio)}" if one.ratio else ""
    return f"{quantity(one.cost.mean, UNITS[one.resource])}{ratio}"


def _robustness(scene: Scene) -> Table:
    rows = tuple(
        (one.contestant, accuracy(one.accuracy), points(one.change), points(one.difference))
        for one in scene.robustness
    )
    seeds = scene.robustness[0].accuracy.n
    return Table(
        title=f"Robustness: devices lost at random in every round (seeds: {seeds})",
        columns=(
            "method",
            "accuracy, %",
            "− without losses, points",
            f"− {scene.reference}, points",
        ),
        rows=rows,
    )


def _by_contestant(scene: Scene, cell: Callable[[str, str], str]) -> tuple[tuple[str, ...], ...]:
    names = [one.contestant for one in scene.summary]
    return tuple((name, *(cell(name, resource) for resource in RESOURCES)) for name in names)


def tuning_table(compared: Compared) -> Table:
    """What was tried for each contestant, and what was taken."""
    return Table(
        title="Tuning: validation accuracy at the end, in %, of each point of the grid",
        columns=("task", "method", "taken", "tried"),
        rows=tuple(map(_tuned, compared.tuned)),
    )


def _tuned(tuned: Tuned) -> tuple[str, ...]:
    taken = options_text(tuned.chosen) or "nothing to tune"
    if tuned.at_end:
        taken += f" (at the grid's end: {', '.join(map(_name, tuned.at_end))})"
    return (tuned.scene, tuned.contestant, taken, _trials(tuned.trials))


def _trials(trials: Sequence[Trial]) -> str:
    texts = (f"{options_text(one.options)}: {percent(one.validation)}" for one in trials)
    return "; ".join(texts) or "only one point"


def options_text(options: Mapping[str, Any]) -> str:
    """Options in words.

    >>> options_text({"learning_rate": 0.001, "rank": 4})
    'learning rate 0.001, rank 4'
    """
    return ", ".join(f"{_name(name)} {_value(value)}" for name, value in options.items())


def _name(option: str) -> str:
    return option.replace("_", " ")


def _value(value: Any) -> str:
    return number(value) if isinstance(value, float) else str(value)
