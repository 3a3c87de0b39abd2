"""FedSpine's tables: speed at equal sparsity, regret, memory and work, and the paper's figures."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from rm.evaluation.summary import Interval, interval
from training.federated.compare.protocols import TARGET_SHARE
from training.federated.study import Outcome, Table
from training.federated.systems.fedspine.bandit import POLICIES
from training.federated.systems.fedspine.options import METHODS
from training.federated.systems.suffix_tuning.readings import (
    Runs,
    difference,
    final_runs,
    judged,
    multiple_to,
    note_per_round,
    to_target,
    waiting_share,
)

CLAIM = (
    "Fine-tuning 1.4-6.9 times faster and 0.4-4.5 points more accurate than pruning baselines at "
    "equal sparsity (abstract; 80 Jetsons, mainly RoBERTa). Which baselines gave which figure is "
    "not known here."
)
PAPER_MEMORY = (
    "RoBERTa at 50 % sparsity: inference time 51.4 % and training memory 114.5 % of HETLoRA's "
    "(a study note on the paper, not the paper itself)."
)

Key = tuple[str, str]


def tables(outcomes: Sequence[Outcome], jobs: Mapping[str, Any]) -> list[Table]:
    """A table of runs per fleet and task, one of regret, one of memory and work per model."""
    scenes: dict[Key, list[Outcome]] = {}
    for outcome in outcomes:
        setup = outcome.cell.setup
        scenes.setdefault((setup.task, setup.fleet), []).append(outcome)
    contests = {name: job for name, job in jobs.items() if name.startswith("regret/")}
    return [
        *(_speed(task, fleet, own) for (task, fleet), own in scenes.items()),
        *([_regret(contests)] if contests else []),
        *(
            _footprint(name.partition("/")[2], job)
            for name, job in jobs.items()
            if name.startswith("footprint/")
        ),
    ]


def _speed(task: str, fleet: str, outcomes: Sequence[Outcome]) -> Table:
    runs = final_runs(outcomes, METHODS)
    own = runs[0]
    target = _target(runs)
    rows = []
    multiples: dict[str, Interval | None] = {}
    for one in runs:
        multiples[one.method] = multiple_to(one, own, target, lambda point: point.time_s)
        rows.append(
            (
                one.method,
                _mean_note(one, "ratio"),
                _mean_note(one, "rank"),
                fmean(one.accuracies()),
                _text(difference(one, own)),
                judged(difference(one, own)),
                _reached(one, target),
                _text(multiples[one.method]),
                one.mean(_time_s) / own.mean(_time_s),
                one.mean(waiting_share),
                one.mean(lambda outcome: outcome.points[-1].up_bytes / 1e9),
                one.mean(lambda outcome: outcome.peak_bytes / 1e9),
            )
        )
    return Table(
        title=f"At the same final sparsity: {task} on {fleet}",
        columns=(
            "method",
            "mean ratio",
            "mean rank",
            "accuracy",
            "less FedSpine's",
            "which is",
            f"seeds to {target:.3f}",
            "time to it / FedSpine's",
            "time of all rounds / FedSpine's",
            "waiting share",
            "GB sent",
            "peak GB",
        ),
        rows=tuple(rows),
        paper=CLAIM,
        verdict=_verdict(runs, multiples),
    )


def _target(runs: Sequence[Runs]) -> float:
    """As the comparison's, by the best of the methods that are judged when pruned."""
    pruned = [one for one in runs if one.method != "unpruned"] or runs
    start = fmean(outcome.points[0].test for one in pruned for outcome in one.outcomes)
    best = max(fmean(one.accuracies()) for one in pruned)
    return start + TARGET_SHARE * (best - start)


def _reached(one: Runs, target: float) -> str:
    times = to_target(one, target, lambda point: point.time_s)
    return f"{sum(time is not None for time in times)} of {len(times)}"


def _verdict(runs: Sequence[Runs], multiples: Mapping[str, Interval | None]) -> str:
    said = []
    fixed = multiples.get("fixed")
    if fixed is None:
        said.append("Not every seed reached the target, so that no multiple can be given.")
    else:
        shown = (
            fixed.low is not None and fixed.high is not None and not fixed.low <= 1 <= fixed.high
        )
        said.append(
            "One pair for all (final ratio and largest rank, not tuned) takes "
            f"{_text(fixed)} times as long as FedSpine to the "
            f"same accuracy at the same sparsity: "
            + ("a difference is shown." if shown else "no difference is shown.")
        )
    oracle = multiples.get("oracle")
    if oracle is not None:
        said.append(f"With hidden speeds known it would take {_text(oracle)} times as long.")
    unpruned = next((one for one in runs if one.method == "unpruned"), None)
    if unpruned is not None:
        said.append(_cost_of_pruning(difference(unpruned, runs[0])))
    return " ".join(said)


def _cost_of_pruning(less: Interval) -> str:
    """What the accuracy of LoRA that is never pruned says, less FedSpine's."""
    ends = f"LoRA that is never pruned ends {100 * less.mean:+.1f} points from it"
    if judged(less) == "higher":
        return f"PRUNING COSTS ACCURACY: {ends}."
    return f"{ends}: {judged(less)}, so that what pruning costs is not seen in these runs."


def _regret(contests: Mapping[str, Any]) -> Table:
    rows = []
    for name, found in contests.items():
        _, world, policy = name.split("/")
        chance, best = (contests[f"regret/{world}/{other}"] for other in ("random", "oracle"))
        rows.append(
            (
                world,
                policy,
                found["explore"] if "ucb" in policy else None,
                found["discount"] if "ucb" in policy and policy != "ucb1" else None,
                fmean(found["early"]),
                _text(interval(found["total"])),
                fmean(found["total"]) / fmean(chance["total"]),
                fmean(found["last"]) / fmean(found["first"]) if any(found["first"]) else None,
                fmean(found["waiting"]) / fmean(best["waiting"]),
            )
        )
    rows.sort(key=lambda row: POLICIES.index(row[1]))
    worlds = list(dict.fromkeys(row[0] for row in rows))
    rows.sort(key=lambda row: worlds.index(row[0]))
    return Table(
        title="Regret of bandits with hidden speeds (declared worth, no training)",
        columns=(
            "world",
            "policy",
            "explore",
            "discount",
            "after 20 rounds",
            "after all",
            "of random's",
            "last quarter / first",
            "waiting / oracle's",
        ),
        rows=tuple(rows),
        paper="No figure of regret is known. S-UCB is a reconstruction: its smoothing is ours.",
        verdict=_regret_verdict(contests, worlds),
    )


def _regret_verdict(contests: Mapping[str, Any], worlds: Sequence[str]) -> str:
    said = []
    for world in worlds:
        total = {p: fmean(contests[f"regret/{world}/{p}"]["total"]) for p in POLICIES}
        early = {p: fmean(contests[f"regret/{world}/{p}"]["early"]) for p in POLICIES}
        others = [policy for policy in POLICIES if policy != "oracle"]
        first, last = (min(others, key=kind.__getitem__) for kind in (early, total))
        said.append(f"{world}: least regret after 20 rounds {first}, after all {last}")
    return "; ".join(said) + "."


def _footprint(name: str, found: Mapping[str, Any]) -> Table:
    whole, roberta = found["modelled"][0], found["roberta"][0]
    rows = []
    for ratio, measured, modelled, large in zip(
        found["ratios"], found["measured"], found["modelled"], found["roberta"], strict=True
    ):
        rows.append(
            (
                ratio,
                measured["peak"] / 1e6,
                modelled["train_bytes"] / 1e6,
                measured["peak"] / found["measured"][0]["peak"],
                measured["peak"] / found["query_value"],
                modelled["train_flops"] / whole["train_flops"],
                modelled["inference_flops"] / whole["inference_flops"],
                large["train_bytes"] / roberta["train_bytes"],
                large["inference_flops"] / roberta["inference_flops"],
            )
        )
    rises = [row for row in rows if float(row[4]) > 1]
    return Table(
        title=f"Memory and work of a step at rank 8: {name}",
        columns=(
            "ratio",
            "train MB measured",
            "modelled",
            "/ LoRA everywhere",
            "/ LoRA on query, value",
            "train FLOPs / unpruned",
            "inference FLOPs / unpruned",
            "RoBERTa-base train bytes / unpruned",
            "RoBERTa-base inference FLOPs / unpruned",
        ),
        rows=tuple(rows),
        paper=PAPER_MEMORY,
        verdict=(
            "TRAINING MEMORY MAY RISE: importance needs LoRA beside every matrix, and a device "
            "that may grow back keeps the full base. Against LoRA on query and value alone memory "
            f"rises at {len(rises)} of {len(rows)} ratios."
        ),
    )


def _time_s(outcome: Outcome) -> float:
    return outcome.points[-1].time_s


def _mean_note(runs: Runs, name: str) -> float:
    return runs.mean(lambda outcome: note_per_round(outcome, name))


def _text(value: Interval | None) -> str:
    """A mean with its interval.

    >>> _text(Interval(mean=1.5, low=1.25, high=1.75, n=5))
    '1.50 (1.25 to 1.75)'
    """
    if value is None:
        return "-"
    if value.low is None or value.high is None:
        return f"{value.mean:.3g}"
    digits = 3 if abs(value.mean) < 1 else 2 if abs(value.mean) < 100 else 0
    return f"{value.mean:.{digits}f} ({value.low:.{digits}f} to {value.high:.{digits}f})"
