"""The tables of the study, from the results of its jobs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from rm.evaluation.summary import Interval, geometric_interval, interval
from training.federated.study import Table
from training.federated.systems.mergesfl.experiment import EQUAL_RATE, TARGET, Contest, Run

PAPER = (
    "abstract of the paper: 5.82 to 26.22 points more accuracy, and 1.74 to 4.14 times as fast "
    "(1.39 to 4.14 in its second version), against baselines of which the names are recalled only "
    "(FedAvg, LocFedMix-SL, AdaSFL, PyramidFL); published code: images, speech and activities"
)
PAIRS = (
    ("merge-only", "splitfed-v1"),
    ("merge-only", "splitfed-v2"),
    ("mergesfl", "splitfed-v1"),
    ("mergesfl", "splitfed-v2"),
    ("mergesfl", "merge-only"),
    ("mergesfl", "regulate-only"),
    ("mergesfl", "regulated-v2"),
    ("mergesfl", "adasfl-like"),
    ("mergesfl", "fedavg"),
    ("mergesfl", "greedy"),
    ("mergesfl", "random"),
    ("mergesfl", "mergesfl, rates by batch"),
)
"""Who is compared with whom: merging alone first, then the whole with each part left out."""

_NEVER = "–"
Contests = Mapping[str, Contest]


def tables(jobs: Mapping[str, Any]) -> list[Table]:
    """All tables that the jobs there are can fill."""
    found: list[Table] = []
    for alpha in _groups(jobs, "skew"):
        contests = _contests(jobs, f"skew/{alpha}/")
        where = f"digits, 10 workers, Dir({alpha})"
        found += [
            _ends(f"{where}, learning rate tuned", contests, lambda contest: contest.tuned),
            _ends(f"{where}, one learning rate for all", contests, lambda contest: contest.equal),
            _pairs(f"{where}, pair by pair", contests),
            _rates(f"{where}, tuning: validation accuracy, mean of all rounds", contests),
        ]
    for fleet in _groups(jobs, "clock"):
        contests = _contests(jobs, f"clock/{fleet}/")
        title = f"digits at Dir(0.1) on {fleet}, on the clock an AlexNet, tuned"
        found.append(_ends(title, contests, lambda contest: contest.tuned))
    chosen = [jobs[f"selection/{alpha}"] for alpha in _groups(jobs, "selection")]
    return [*found, _selection(chosen)] if chosen else found


def _groups(jobs: Mapping[str, Any], kind: str) -> list[str]:
    return list(dict.fromkeys(name.split("/")[1] for name in jobs if name.startswith(f"{kind}/")))


def _contests(jobs: Mapping[str, Any], prefix: str) -> dict[str, Contest]:
    return {
        name.removeprefix(prefix): msgspec.convert(result, Contest)
        for name, result in jobs.items()
        if name.startswith(prefix)
    }


def _ends(title: str, contests: Contests, runs_of: Callable[[Contest], list[Run]]) -> Table:
    """What each method came to, and what it took to the target."""
    goal = f"to {TARGET:.2f}"
    rows = []
    for name, contest in contests.items():
        runs = runs_of(contest)
        rate = contest.rate if runs is contest.tuned else EQUAL_RATE
        rows.append(
            (
                name,
                rate,
                _plus_minus([100 * run.final for run in runs]),
                f"{_reached(runs)} of {len(runs)}",
                _mean_to(runs, lambda run: run.rounds_to),
                _mean_to(runs, lambda run: run.time_to_s),
                _mean_to(runs, lambda run: run.updates_to),
                _mean_to(runs, lambda run: run.bytes_to and run.bytes_to / 1e6),
                f"{100 * np.mean([run.waiting_share for run in runs]):.0f}",
                f"{np.mean([run.participants for run in runs]):.1f}",
                f"{np.mean([run.samples for run in runs]):.0f}",
                _divergence(runs),
            )
        )
    columns = (
        "method",
        "learning rate",
        "final accuracy, %",
        f"seeds that came {goal}",
        f"rounds {goal}",
        f"virtual s {goal}",
        f"server updates {goal}",
        f"MB {goal}",
        "waiting, % of time",
        "workers a round",
        "samples a round",
        "label divergence, nats",
    )
    return Table(title=title, columns=columns, rows=tuple(rows), paper=PAPER)


def _reached(runs: Sequence[Run]) -> int:
    return sum(run.rounds_to is not None for run in runs)


def _mean_to(runs: Sequence[Run], value: Callable[[Run], float | None]) -> str:
    """A mean with its interval if all runs came to the target, else nothing."""
    values = [found for run in runs if (found := value(run)) is not None]
    return _plus_minus(values) if values and len(values) == len(runs) else _NEVER


def _plus_minus(values: Sequence[float]) -> str:
    """A mean and half of its interval, in four digits at most.

    >>> _plus_minus([1.0, 2.0, 3.0])
    '2.00 ± 2.48'
    """
    found = interval(values)
    if found.high is None:
        return _digits(found.mean)
    return f"{_digits(found.mean)} ± {_digits(found.high - found.mean)}"


def _digits(value: float) -> str:
    return (
        f"{value:.0f}"
        if abs(value) >= 100
        else f"{value:.1f}"
        if abs(value) >= 10
        else f"{value:.2f}"
    )


def _divergence(runs: Sequence[Run]) -> str:
    known = [run.divergence for run in runs if run.divergence is not None]
    return f"{np.mean(known):.3f}" if known else _NEVER


def _pairs(title: str, contests: Contests) -> Table:
    """Differences and ratios, seed by seed."""
    rows: list[tuple[str, ...]] = []
    for ours, theirs in PAIRS:
        if ours not in contests or theirs not in contests:
            continue
        for label, runs_of in (("tuned", _tuned), ("equal", _equal)):
            pair = (runs_of(contests[ours]), runs_of(contests[theirs]))
            rows.append(
                (
                    f"{ours} against {theirs}",
                    label,
                    _points(difference(*pair)),
                    _times(ratio(*pair, lambda run: run.rounds_to)),
                    _times(ratio(*pair, lambda run: run.time_to_s)),
                )
            )
    columns = ("pair", "learning rate", "points of final accuracy", "fewer rounds", "less time")
    return Table(
        title=title, columns=columns, rows=tuple(rows), paper=PAPER, verdict=_verdict(rows)
    )


def _tuned(contest: Contest) -> list[Run]:
    return contest.tuned


def _equal(contest: Contest) -> list[Run]:
    return contest.equal


def difference(ours: Sequence[Run], theirs: Sequence[Run]) -> Interval:
    """Final accuracy of ours less theirs, seed by seed."""
    return interval([a.final - b.final for a, b in zip(ours, theirs, strict=True)])


def ratio(
    ours: Sequence[Run], theirs: Sequence[Run], value: Callable[[Run], float | None]
) -> Interval | None:
    """How many times theirs is what ours is: a geometric mean; None unless all came there."""
    ratios = []
    for a, b in zip(ours, theirs, strict=True):
        own, other = value(a), value(b)
        if not own or not other:
            return None
        ratios.append(other / own)
    return geometric_interval(ratios)


def _points(value: Interval) -> str:
    if value.low is None or value.high is None:
        return f"{100 * value.mean:+.1f}"
    return f"{100 * value.mean:+.1f} [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def _times(value: Interval | None) -> str:
    if value is None:
        return _NEVER
    if value.low is None or value.high is None:
        return f"{value.mean:.2f}×"
    return f"{value.mean:.2f}× [{value.low:.2f}, {value.high:.2f}]"


def _verdict(rows: Sequence[tuple[str, ...]]) -> str:
    """The comparisons that the paper's claim is about, tuned, in a sentence each."""
    wanted = [f"{ours} against {theirs}" for ours, theirs in PAIRS[:4]]
    told = [
        f"{pair}: {points} points, rounds {rounds}, time {time}"
        for pair, label, points, rounds, time in rows
        if label == "tuned" and pair in wanted
    ]
    return (
        "Tuned, with 95 % intervals (a dash: not all seeds came to the target): "
        + "; ".join(told)
        + "."
    )


def _rates(title: str, contests: Contests) -> Table:
    """What tuning saw; the best rate of each row was taken."""
    tried = {name: contest for name, contest in contests.items() if contest.validations}
    rates = next(iter(tried.values())).rates if tried else []
    rows: list[tuple[str | float | None, ...]] = []
    for name, contest in tried.items():
        rows.append((name, *(f"{100 * v:.1f}" for v in contest.validations), contest.rate))
    return Table(
        title=title,
        columns=("method", *(f"{rate:g}" for rate in rates), "taken"),
        rows=tuple(rows),
        verdict="" if tried else "One rate only at this size: nothing was tuned.",
    )


def _selection(results: Sequence[Mapping[str, Any]]) -> Table:
    """How far each selection is from the best."""
    rows = []
    for result in results:
        best = np.array(result["costs"]["brute force"])
        for kind, costs in result["costs"].items():
            above = np.array(costs) - best
            rows.append(
                (
                    f"Dir({result['alpha']:g})",
                    kind,
                    f"{np.mean(costs):.4f}",
                    f"{100 * np.mean(above < 1e-9):.0f}",
                    f"{np.mean(above):.4f}",
                    f"{np.max(above):.4f}",
                )
            )
    columns = (
        "labels",
        "selection",
        "divergence, nats",
        "as good as the best, %",
        "mean above",
        "most above",
    )
    return Table(
        title="selection among 12 workers, half of whose batches fit the line",
        columns=columns,
        rows=tuple(rows),
    )
