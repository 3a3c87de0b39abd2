"""The tables of the study. Each says that time and power are modelled, and which rule it is for."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from training.federated.study import Outcome, Table
from training.federated.systems.joint_batch_frequency.erring import ERRORS, RULE, Erring
from training.federated.systems.joint_batch_frequency.experiment import (
    BATCHES,
    HALVED,
    Cell,
    Grid,
)
from training.federated.systems.joint_batch_frequency.figures import (
    energy_of,
    gain_of,
    pairs_of,
    regret,
    share_of,
)
from training.federated.systems.joint_batch_frequency.methods import (
    FIXED,
    JOINT,
    METHODS,
    ORACLE,
)

PAPER = (
    "time to accuracy 2.4 times shorter (arXiv v1), up to 2.3 times (TMLR), measured on NVIDIA "
    "Jetson boards; that this is against a fixed large batch under frequency capping is recalled"
)
EXAMPLE = (
    "worked example: batch 64 at a higher frequency, 31.9 % faster than batch 128 at the "
    "frequency that holds the cap"
)
OPTIMUM = "very close to the exhaustive optimum (no figure is known here)"
_WHAT = "modelled time and power, samples counted on digits"
_NEVER = "never"


def samples_table(grid: Grid) -> Table:
    """Samples to the target by batch, on the proxy and on the target."""
    rows: list[tuple[str | float | None, ...]] = []
    ratios: dict[str, list[float]] = {}
    for counted in grid.counted:
        proxy, target = counted.medians("proxy"), counted.medians("target")
        for half, found in (("proxy", proxy), ("target", target)):
            rows.append((counted.rule, half, *(found.get(b, _NEVER) for b in BATCHES)))
        rates = (f"{counted.rates[batch]:.3g}" for batch in BATCHES)
        rows.append((counted.rule, "learning rate", *rates))
        ratios[counted.rule] = [target[b] / proxy[b] for b in BATCHES if b in target and b in proxy]
    spread = "; ".join(
        f"{rule} {min(values):.2f} to {max(values):.2f}" for rule, values in ratios.items()
    )
    return Table(
        title="Samples to 95 % on digits by batch (proxy 0-4, target 5-9; medians over seeds)",
        columns=("learning-rate rule", "counted on", *(f"b = {batch}" for batch in BATCHES)),
        rows=tuple(rows),
        paper="batch efficiency is estimated on a proxy; by which rule, is not known",
        verdict=f"target/proxy, which should not depend on the batch: {spread}",
    )


def gain_table(grid: Grid) -> Table:
    """How many times as long each baseline takes as the joint choice, by device and rule."""
    rows = []
    for kind, rule, cells in _groups(grid):
        for method in METHODS:
            if method != JOINT:
                rows.append((kind, rule, method, *gain_of(cells, method), energy_of(cells, method)))
    gpu = [row for row in rows if row[0] == "gpu" and row[2] == FIXED]
    verdict = "on modelled GPUs " + ", ".join(f"{row[3]} times ({row[1]})" for row in gpu)
    return Table(
        title=f"Time to target relative to the joint choice ({_WHAT}; all networks and caps)",
        columns=(
            "device",
            "learning-rate rule",
            "baseline",
            "times as long (geometric mean)",
            "95 % interval over seeds",
            "least",
            "most",
            "cells",
            "never there",
            "times the energy",
        ),
        rows=tuple(rows),
        paper=PAPER,
        verdict=f"{verdict}, against the fixed batch of {BATCHES[-1]} under frequency capping",
    )


def network_table(grid: Grid) -> Table:
    """The gain over frequency capping by device and network."""
    rules = _rules(grid)
    places = dict.fromkeys((cell.device, cell.workload) for cell in grid.cells)
    rows = []
    for device, workload in places:
        found = [c for c in grid.cells if (c.device, c.workload) == (device, workload)]
        gains = (gain_of([c for c in found if c.rule == rule], FIXED)[0] for rule in rules)
        rows.append((device, workload, *gains))
    return Table(
        title=f"Times as long with batch {BATCHES[-1]} under frequency capping ({_WHAT}; all caps)",
        columns=("device", "network", *rules),
        rows=tuple(rows),
        paper=PAPER,
        verdict="least where a step is mostly launching kernels: a small batch then wastes time",
    )


def halving_table(grid: Grid) -> Table:
    """The worked example: half the largest batch, at the frequency that it allows, on the GPUs."""
    small, large = BATCHES[-2], BATCHES[-1]
    rows = []
    for rule in _rules(grid):
        counted = next(each for each in grid.counted if each.rule == rule).medians("target")
        cells = [cell for cell in grid.cells if (cell.kind, cell.rule) == ("gpu", rule)]
        saved = [1 - a.median_s / b.median_s for a, b in pairs_of(cells, HALVED, FIXED)]
        ratio = counted[large] / counted[small] if {small, large} <= counted.keys() else None
        speed = [1 - own * ratio for own in (1 - s for s in saved)] if ratio else []
        figures = (statistics.mean, min, max)
        rows.append(
            (
                rule,
                *(f"{figure(saved):.1%}" if saved else None for figure in figures),
                f"{1 - 1 / ratio:.1%}" if ratio else None,
                f"{statistics.mean(speed):.1%}" if speed else None,
            )
        )
    return Table(
        title=f"Batch {small} instead of {large}, each at its highest frequency ({_WHAT}; GPUs)",
        columns=(
            "learning-rate rule",
            "time saved, mean",
            "least",
            "most",
            "by fewer samples alone",
            "by time per sample alone",
        ),
        rows=tuple(rows),
        paper=EXAMPLE,
        verdict=_halving_verdict([str(row[-1]) for row in rows]),
    )


def _halving_verdict(by_time: Sequence[str]) -> str:
    """What the time per sample alone saves, rule by rule, as text: who saves, the samples or it."""
    if all(text.startswith("-") for text in by_time):
        return (
            "the samples save the time; per sample alone the higher frequency does not make up for "
            "a smaller batch's launches and empty units on these modelled GPUs"
        )
    if any(text.startswith("-") or not text.endswith("%") for text in by_time):
        return "whether the time per sample saves any as well depends on the rule"
    return "both save time: fewer samples, and a higher frequency under the cap"


def batch_table(grid: Grid) -> Table:
    """What jointness adds to choosing the batch alone; and which batches are chosen."""
    rows = []
    for kind, rule, cells in _groups(grid):
        chosen = Counter(result.batch for cell in cells if (result := cell.results[JOINT]))
        text = ", ".join(f"{batch}: {count}" for batch, count in sorted(chosen.items()))
        rows.append((kind, rule, *gain_of(cells, "batch-then-cap")[:4], text))
    best = max(float(str(row[2])) for row in rows)
    return Table(
        title=f"What choosing together adds to choosing the batch without the cap ({_WHAT})",
        columns=(
            "device",
            "learning-rate rule",
            "times as long (geometric mean)",
            "95 % interval over seeds",
            "least",
            "most",
            "batches that the joint choice takes: cells",
        ),
        rows=tuple(rows),
        paper="not compared there, as far as is known",
        verdict=(
            f"at most {best:.2f} times in the mean: most of the gain is the smaller batch, which "
            "could be chosen without knowing the cap"
        ),
    )


def regret_table(grid: Grid) -> Table:
    """How much longer than the optimum, and how long above the cap."""
    rows = []
    for kind, rule, cells in _groups(grid):
        for method in METHODS:
            if method == ORACLE:
                continue
            regrets = [found for cell in cells if (found := regret(cell, method)) is not None]
            over = [result.over_share for cell in cells if (result := cell.results[method])]
            rows.append(
                (
                    kind,
                    rule,
                    method,
                    f"{statistics.mean(regrets):.1%}" if regrets else None,
                    f"{max(regrets):.1%}" if regrets else None,
                    f"{share_of(value < 0.01 for value in regrets):.0%}" if regrets else None,
                    f"{statistics.mean(over):.1%}" if over else None,
                )
            )
    joint = [row for row in rows if row[2] == JOINT]
    return Table(
        title=f"Regret to the exhaustive optimum, and violations of the cap ({_WHAT})",
        columns=(
            "device",
            "learning-rate rule",
            "method",
            "regret, mean",
            "most",
            "within 1 %",
            "time above the cap",
        ),
        rows=tuple(rows),
        paper=OPTIMUM,
        verdict="joint choice: " + ", ".join(f"{row[3]} ({row[0]}, {row[1]})" for row in joint),
    )


def erring_table(found: Sequence[Erring]) -> Table:
    """The joint choice by tables of power that err."""
    rows = tuple(
        (
            each.kind,
            f"{each.error:.0%}",
            f"{each.margin:.0%}",
            f"{each.over_share:.1%}",
            f"{each.most_over:.1%}",
            f"{each.times_as_long:.2f}",
            f"{each.no_place_share:.1%}",
        )
        for each in found
    )
    usual = next(each for each in found if each.kind == "gpu" and each.error == ERRORS[2])
    return Table(
        title=f"The joint choice by a table of power that errs ({_WHAT}; rule {RULE})",
        columns=(
            "device",
            "spread of errors",
            "margin below the cap",
            "choices above the cap",
            "by at most",
            "times as long",
            "nothing under the cap",
        ),
        rows=rows,
        paper="tables are profiled on the device; their error is not known here",
        verdict=(
            f"holding the cap is as good as the table: with errors of {ERRORS[2]:.0%} on a GPU "
            f"{usual.over_share:.0%} of choices lie above it, because the argmin prefers pairs "
            "whose power is said too low"
        ),
    )


def federated_table(outcomes: Sequence[Outcome]) -> list[Table]:
    """The federated runs: accuracy, time, energy, and the share of computing above the cap."""
    final = [outcome for outcome in outcomes if outcome.cell.stage == "final"]
    rows: list[tuple[str | float | None, ...]] = []
    for method in METHODS:
        runs = [outcome for outcome in final if outcome.cell.setup.method == method]
        if runs:
            rows.append((method, *_means(runs)))
    if not rows:
        return []
    return [
        Table(
            title="Federated averaging on ten boards, each under its own cap (modelled, tuned)",
            columns=(
                "method",
                "test accuracy at the end",
                "time (s)",
                "energy (J)",
                "computing (s, all devices)",
                "computing above the cap",
            ),
            rows=tuple(rows),
            paper="no federated run (a single device, as its limits say)",
            verdict="equal rounds: what each costs; cost to equal accuracy is in the protocols",
        )
    ]


def _groups(grid: Grid) -> Iterable[tuple[str, str, list[Cell]]]:
    for kind in ("gpu", "cpu"):
        for rule in _rules(grid):
            found = [cell for cell in grid.cells if (cell.kind, cell.rule) == (kind, rule)]
            if found:
                yield kind, rule, found


def _rules(grid: Grid) -> list[str]:
    return [counted.rule for counted in grid.counted]


def _means(runs: Sequence[Outcome]) -> Iterator[float]:
    for figure in (_test, _time, _energy_of, _computing, _over):
        yield statistics.mean(map(figure, runs))


def _test(run: Outcome) -> float:
    return run.points[-1].test


def _time(run: Outcome) -> float:
    return run.points[-1].time_s


def _energy_of(run: Outcome) -> float:
    return run.points[-1].energy_j


def _computing(run: Outcome) -> float:
    return run.notes["computing_s"]


def _over(run: Outcome) -> float:
    return run.notes["over_cap_s"] / run.notes["computing_s"]
