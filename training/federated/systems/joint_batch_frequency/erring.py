"""What becomes of the joint choice where its table of power errs: caps that it thinks it holds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Struct

from training.federated.dice import dice
from training.federated.systems.joint_batch_frequency.choose import (
    NoPlace,
    choose_bf,
    time_to_target,
)
from training.federated.systems.joint_batch_frequency.experiment import (
    CAP_SHARES,
    count_rule,
    devices,
)
from training.federated.systems.joint_batch_frequency.tables import Place, Tables

ERRORS = (0.0, 0.03, 0.06, 0.12)
"""Spreads of the table's errors; PowerTrain reports a mean of less than 6 % for Jetsons."""
MARGINS = (0.0, 0.06)
"""Shares by which the cap that is planned for lies below the cap."""
RULE = "sqrt"


class Erring(Struct, frozen=True, kw_only=True):
    """Over all cells and draws: how often and by how much the cap is exceeded, and time lost.

    `times_as_long` is relative to the choice by a table without errors and without a margin.
    """

    kind: str
    error: float
    margin: float
    over_share: float
    most_over: float
    times_as_long: float
    no_place_share: float


def erring(*, seeds: int, draws: int) -> Any:
    """All spreads and margins, as JSON holds them; a list of Erring."""
    samples = count_rule(RULE, seeds).medians("proxy")
    known = list(devices())
    found = [
        _over_cells(kind, error, margin, samples, [t for k, *_, t in known if k == kind], draws)
        for kind in ("gpu", "cpu")
        for error in ERRORS
        for margin in MARGINS
    ]
    return msgspec.to_builtins(found)


def _over_cells(
    kind: str,
    error: float,
    margin: float,
    samples: Mapping[int, float],
    tables: Sequence[Tables[Any]],
    draws: int,
) -> Erring:
    excesses, logs, cells = [], [], 0
    for number, true in enumerate(tables):
        least_w, most_w = min(true.peak_w.values()), max(true.peak_w.values())
        for share in CAP_SHARES:
            cap_w = least_w + share * (most_w - least_w)
            best = choose_bf(true, samples, cap_w)
            for draw in range(draws):
                cells += 1
                believed = with_errors(true, error, seed=draw, table=number)
                try:
                    pair = choose_bf(believed, samples, cap_w * (1 - margin))
                except NoPlace:
                    continue
                excesses.append(true.peak_w[pair] / cap_w - 1)
                lost = time_to_target(true, pair, samples) / time_to_target(true, best, samples)
                logs.append(math.log(lost))
    over = [excess for excess in excesses if excess > 0]
    return Erring(
        kind=kind,
        error=error,
        margin=margin,
        over_share=len(over) / len(excesses),
        most_over=max(over, default=0.0),
        times_as_long=math.exp(statistics.mean(logs)),
        no_place_share=1 - len(excesses) / cells,
    )


def with_errors(tables: Tables[Place], error: float, *, seed: int, table: int) -> Tables[Place]:
    """The tables with log-normal errors of that spread on each peak power."""
    drawn = dice(seed, "erring", table).standard_normal(len(tables.peak_w))
    peaks = {
        pair: watts * math.exp(error * z)
        for (pair, watts), z in zip(tables.peak_w.items(), drawn, strict=True)
    }
    return replace(tables, peak_w=peaks)
