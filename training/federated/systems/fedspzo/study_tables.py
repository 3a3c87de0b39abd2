"""The study's own tables."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rm.evaluation.summary import Interval, geometric_interval
from training.federated.study import Outcome, Point, Table
from training.federated.systems.fedspzo.counts import saving

PAPER = (
    "FedSPZO (arXiv 2502.10239) prints less computation than zeroth-order baselines: 2.5-7 times "
    "in v1, 1.6-3 times in v2, up to 3 times in v3 (RoBERTa-large, OPT-1.3B, LLaMA-3.2-3B); how "
    "many directions those baselines take is not known to us."
)
SHARES = (0.5, 0.8)
"""Targets lie so far on the way from before training to the best method's mean at the end."""

_REFERENCE = "fedspzo"
_Z95 = 1.96
_SPLITS = ((2, 1), (12, 6), (12, 9), (12, 11))
_SAMPLES = (2, 4, 8, 16)


def steps() -> Table:
    """What the split saves in a step of equal directions, by the formula that hooks confirm."""
    rows: list[tuple[str | float | None, ...]] = []
    for layers, first in _SPLITS:
        savings = (saving(layers, first, samples) for samples in _SAMPLES)
        rows.append((f"{first} of {layers}", *savings, layers / (layers - first)))
    return Table(
        title="Layer-forwards that a split saves at equal directions K (times fewer)",
        columns=("layers in block 1", *(f"K={k}" for k in _SAMPLES), "limit"),
        rows=tuple(rows),
        paper=PAPER,
        verdict="The printed ranges fit what a step costs less against a K-sample baseline, which "
        "proves nothing of the paper's; whether as many steps do is for the other tables.",
    )


def one_step(jobs: Mapping[str, Any]) -> Table:
    """Decrease of the loss per layer-forward, and how it compares with MeZO's."""
    rows: list[tuple[str | float | None, ...]] = []
    for name, found in jobs.items():
        task, warm, estimator = name.split("/")
        ratios = [
            _text(_worth_ratio(found, jobs[f"{task}/{warm}/{other}"]))
            if other != estimator
            else "1"
            for other in ("mezo-1", "mezo-k")
        ]
        start = "pre-trained" if warm == "0" else f"after {warm} steps of AdamW"
        rows.append(
            (
                task,
                start,
                estimator,
                float(found["layer_forwards"]),
                float(found["rate"]),
                1000 * float(np.mean(found["drops"])) / found["layer_forwards"],
                *ratios,
            )
        )
    return Table(
        title="Progress of one step at its best rate",
        columns=(
            "task",
            "weights",
            "estimator",
            "layer-forwards",
            "best rate",
            "loss taken off per 1,000 layer-forwards",
            "x mezo-1",
            "x mezo-k",
        ),
        rows=tuple(rows),
        paper=PAPER,
        verdict="Above 1: more progress per layer-forward (95 % intervals over directions). Rates "
        "are chosen by other directions than those that judge.",
    )


def _worth_ratio(found: Mapping[str, Any], other: Mapping[str, Any]) -> Interval | None:
    """Progress per layer-forward over another's, by the delta method on the logarithm."""
    logs, variance = [], 0.0
    for one in (found, other):
        drops = np.array(one["drops"])
        mean, error = float(drops.mean()), float(drops.std(ddof=1)) / math.sqrt(len(drops))
        if mean <= _Z95 * error:
            return None
        logs.append(math.log(mean / one["layer_forwards"]))
        variance += (error / mean) ** 2
    middle, half = logs[0] - logs[1], _Z95 * math.sqrt(variance)
    ends = [math.exp(middle + sign * half) for sign in (0, -1, 1)]
    return Interval(mean=ends[0], low=ends[1], high=ends[2], n=len(found["drops"]))


def to_accuracy(final: Sequence[Outcome], task: str) -> list[Table]:
    """Compute until targets were first reached on the test set, and its ratio to FedSPZO's."""
    runs = _by_method(final, task)
    if _REFERENCE not in runs:
        return []
    start = float(np.mean([run.points[0].test for run in runs[_REFERENCE]]))
    best = max(float(np.mean([run.points[-1].test for run in group])) for group in runs.values())
    return [_target(runs, task, start + share * (best - start), share) for share in SHARES]


def _by_method(final: Sequence[Outcome], task: str) -> dict[str, list[Outcome]]:
    found: dict[str, list[Outcome]] = {}
    for outcome in final:
        if outcome.cell.setup.task == task:
            found.setdefault(outcome.cell.setup.method, []).append(outcome)
    return {
        name: sorted(group, key=lambda run: run.cell.setup.seed) for name, group in found.items()
    }


def _target(runs: Mapping[str, Sequence[Outcome]], task: str, target: float, share: float) -> Table:
    spent = {name: [_flops_to(run, target) for run in group] for name, group in runs.items()}
    rows = tuple(
        (
            name,
            _options(group[0]),
            float(np.mean([run.points[-1].test for run in group])),
            f"{sum(value is not None for value in spent[name])} of {len(group)}",
            _mean_forwards(group, spent[name]),
            _text(_ratio(spent[name], spent[_REFERENCE])),
        )
        for name, group in runs.items()
    )
    return Table(
        title=f"{task}: compute until test accuracy {target:.3f} "
        f"({share:.0%} of the way to the best mean at the end)",
        columns=(
            "method",
            "tuned",
            "accuracy at the end",
            "reached it",
            "layer-forwards until then",
            "FLOPs / FedSPZO's",
        ),
        rows=rows,
        paper=PAPER,
        verdict=_verdict(spent),
    )


def _options(run: Outcome) -> str:
    options = run.cell.setup.options
    split = f", split {options['split']}" if options.get("split", -1) >= 0 else ""
    return f"rate {options.get('learning_rate', 0):g}{split}"


def _flops_to(run: Outcome, target: float) -> float | None:
    return next((point.flops for point in run.points[1:] if point.test >= target), None)


def _mean_forwards(group: Sequence[Outcome], spent: Sequence[float | None]) -> float | None:
    """Geometric mean where all got there; layer-forwards go by FLOPs within a run."""
    if any(value is None for value in spent):
        return None
    shares = [
        (value or 0.0) / run.points[-1].flops * run.notes["layer_forwards"]
        for run, value in zip(group, spent, strict=True)
    ]
    return float(np.exp(np.mean(np.log(shares))))


def _ratio(spent: Sequence[float | None], reference: Sequence[float | None]) -> Interval | None:
    """Geometric mean of ratios seed by seed, with Student's interval; None unless all reached."""
    if spent is reference or None in spent or None in reference:
        return None
    pairs = zip(spent, reference, strict=True)
    return geometric_interval([a / b for a, b in pairs if a and b])


def _verdict(spent: Mapping[str, Sequence[float | None]]) -> str:
    own = spent[_REFERENCE]
    if None in own:
        return f"FedSPZO did not reach it in {sum(v is None for v in own)} of {len(own)} runs."
    said = []
    for name in ("mezo-k", "mezo-1"):
        ratio = _ratio(spent.get(name, [None]), own)
        if ratio is None:
            said.append(f"{name} did not always reach it")
        elif ratio.low is None or ratio.high is None or ratio.low <= 1 <= ratio.high:
            said.append(f"against {name} the seeds do not decide")
        else:
            word = "more" if ratio.mean > 1 else "less"
            said.append(f"{name} needed {word} ({ratio.mean:.2f} times FedSPZO's)")
    return "; ".join(said) + "."


def wire(final: Sequence[Outcome]) -> Table:
    """What a device sends and is sent in a round, and what memory it needs."""
    seen: dict[str, Outcome] = {}
    for outcome in final:
        seen.setdefault(outcome.cell.setup.method, outcome)
    rows = tuple((name, *_per_round(run), float(run.peak_bytes)) for name, run in seen.items())
    return Table(
        title="Bytes per device and round, and peak memory of a step",
        columns=("method", "up", "down", "peak memory (bytes)"),
        rows=rows,
        verdict="Weights are never sent; with directions of each device's own, every device is "
        "sent the slopes of all. FedMeZO would send all weights, both ways.",
    )


def _per_round(run: Outcome) -> tuple[float, float]:
    last: Point = run.points[-1]
    turns = last.round * run.cell.setup.devices
    return last.up_bytes / turns, last.down_bytes / turns


def _text(found: Interval | None) -> str | None:
    if found is None:
        return None
    if found.low is None or found.high is None:
        return f"{found.mean:.2f}"
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"
