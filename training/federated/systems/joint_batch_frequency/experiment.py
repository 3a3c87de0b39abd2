"""The study's own work: every method on a grid of devices, networks, caps and learning-rate rules.

Samples to the target are counted on digits, proxy and target, and are the same for all networks;
time per sample and power are modelled for the network on the device. A cell is one of each with a
cap. What its methods take is seed by seed: choices are made on medians over the proxy's seeds, and
then paid for with the samples that each of the target's seeds took.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from platforms.board_file import load_board
from training.federated.systems.joint_batch_frequency.accelerator import gpu_tables
from training.federated.systems.joint_batch_frequency.choose import NoPlace, fixed_batch
from training.federated.systems.joint_batch_frequency.cores import cpu_tables
from training.federated.systems.joint_batch_frequency.device import steps_of
from training.federated.systems.joint_batch_frequency.digits import Half, halves
from training.federated.systems.joint_batch_frequency.efficiency import count_samples
from training.federated.systems.joint_batch_frequency.gpus import GPUS
from training.federated.systems.joint_batch_frequency.methods import (
    METHODS,
    REACTIVE,
    chosen,
)
from training.federated.systems.joint_batch_frequency.rates import RULES, learning_rate
from training.federated.systems.joint_batch_frequency.reactive import ride
from training.federated.systems.joint_batch_frequency.tables import Tables
from training.federated.systems.joint_batch_frequency.workload import WORKLOADS

BATCHES = (4, 8, 16, 32, 64, 128)
"""128 is what the paper's state of the art keeps."""
BASES = (0.025, 0.05, 0.1, 0.2, 0.4)
"""Learning rates at a batch of 16; which one a rule gets, the proxy says."""
TUNED_RATES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Learning rates of which each batch gets its own, for the rule "tuned"."""
CAP_SHARES = (0.2, 0.35, 0.5, 0.65, 0.8, 1.0)
"""Caps, on the way from the least to the highest peak power of a device's tables."""
BOARDS = ("hikey970", "odroid-xu3", "rk3588")

TUNED = "tuned"
HALVED = "half-batch"
"""The paper's worked example: half of the largest batch, at the highest frequency under the cap."""

Kind = Literal["gpu", "cpu"]


class Counted(Struct, frozen=True, kw_only=True):
    """Samples to the target of a rule, by batch and seed; its rate for each batch."""

    rule: str
    rates: dict[int, float]
    proxy: dict[int, list[float]]
    target: dict[int, list[float]]

    def medians(self, half: Half) -> dict[int, float]:
        """By batch, those that get there at least in the median."""
        counts = self.proxy if half == "proxy" else self.target
        found = {batch: statistics.median(values) for batch, values in counts.items()}
        return {batch: value for batch, value in found.items() if value < float("inf")}


class Result(Struct, frozen=True, kw_only=True):
    """What a method took in a cell: its batch and place, seconds and joules by the target's seeds.

    `median_s` is by the median samples, `over_share` the share of the time above the cap.
    """

    batch: int
    place: str
    times_s: list[float]
    energies_j: list[float]
    median_s: float
    over_share: float


class Cell(Struct, frozen=True, kw_only=True):
    """A rule, a device, a network and a cap, with what came of each method; None: no place."""

    rule: str
    kind: Kind
    device: str
    workload: str
    cap_share: float
    cap_w: float
    results: dict[str, Result | None]


class Grid(Struct, frozen=True, kw_only=True):
    """All that was counted, and all cells."""

    counted: list[Counted]
    cells: list[Cell]


def grid(*, seeds: int) -> Any:
    """The study as JSON holds it; see Grid."""
    counted = [count_rule(rule, seeds) for rule in (*RULES, TUNED)]
    cells = [
        cell
        for kind, device, workload, tables in devices()
        for rule in counted
        for cell in cells_of(kind, device, workload, tables, rule)
    ]
    return msgspec.to_builtins(Grid(counted=counted, cells=cells), str_keys=True)


def count_rule(rule: str, seeds: int) -> Counted:
    """Count the samples of a rule, at the rates that the proxy prefers."""
    rates = _rates(rule, seeds)
    return Counted(
        rule=rule,
        rates=rates,
        proxy={batch: _counts("proxy", batch, rate, seeds) for batch, rate in rates.items()},
        target={batch: _counts("target", batch, rate, seeds) for batch, rate in rates.items()},
    )


def _rates(rule: str, seeds: int) -> dict[int, float]:
    """A rate for each batch: by the rule, from the base of the least samples over all batches.

    Least is the geometric mean of the medians on the proxy; a base with which some batch does not
    get there is out, so that the largest batch is not set up to fail.
    """
    if rule == TUNED:
        return {
            batch: min(TUNED_RATES, key=lambda rate: (_median(batch, rate, seeds), rate))
            for batch in BATCHES
        }
    options = [
        {batch: learning_rate(_rule(rule), base, batch) for batch in BATCHES} for base in BASES
    ]
    return min(options, key=lambda rates: _product(_median(b, r, seeds) for b, r in rates.items()))


def _rule(rule: str) -> Any:
    return rule


def _product(values: Iterator[float]) -> float:
    product = 1.0
    for value in values:
        product *= value
    return product


def _median(batch: int, rate: float, seeds: int) -> float:
    return statistics.median(_counts("proxy", batch, rate, seeds))


@lru_cache(maxsize=1024)
def _counts(half: Half, batch: int, rate: float, seeds: int) -> list[float]:
    train, seen = halves(half)
    return [count_samples(train, seen, batch=batch, rate=rate, seed=seed) for seed in range(seeds)]


def devices() -> Iterator[tuple[Kind, str, str, Tables[Any]]]:
    """All devices with all networks: kind, device, network, tables."""
    for load in WORKLOADS.values():
        for name, gpu in GPUS.items():
            yield "gpu", name, load.name, gpu_tables(gpu, load, BATCHES)
        for name in BOARDS:
            yield "cpu", name, load.name, cpu_tables(load_board(name), load, BATCHES)


def cells_of(
    kind: Kind, device: str, workload: str, tables: Tables[Any], counted: Counted
) -> Iterator[Cell]:
    """A cell for each cap."""
    least_w, most_w = min(tables.peak_w.values()), max(tables.peak_w.values())
    for share in CAP_SHARES:
        cap_w = least_w + share * (most_w - least_w)
        yield Cell(
            rule=counted.rule,
            kind=kind,
            device=device,
            workload=workload,
            cap_share=share,
            cap_w=cap_w,
            results={
                method: result_of(method, tables, counted, cap_w, gpu=kind == "gpu")
                for method in (*METHODS, HALVED)
            },
        )


def result_of(
    method: str, tables: Tables[Any], counted: Counted, cap_w: float, *, gpu: bool
) -> Result | None:
    """What a method takes under a cap; None where it has no place."""
    own = counted.medians("target")
    try:
        if method == HALVED:
            pair = fixed_batch(tables, BATCHES[-2], cap_w)
        else:
            pair = chosen(method, tables, counted.medians("proxy"), cap_w, own=own)
    except NoPlace:
        return None
    batch, place = pair
    samples = counted.target[batch]
    if method == REACTIVE:
        return _reactive(tables, batch, samples, cap_w, own.get(batch), gpu=gpu)
    sample_s, mean_w = tables.sample_s[pair], tables.mean_w[pair]
    return Result(
        batch=batch,
        place=str(place),
        times_s=[sample_s * count for count in samples],
        energies_j=[mean_w * sample_s * count for count in samples],
        median_s=sample_s * own.get(batch, float("inf")),
        over_share=0.0,
    )


def _reactive(
    tables: Tables[Any],
    batch: int,
    samples: Sequence[float],
    cap_w: float,
    median: float | None,
    *,
    gpu: bool,
) -> Result | None:
    """Governor and controller step through the frequencies of a GPU, or of the strongest cluster.

    None where some seed's training never ends.
    """
    if median is None or max(samples) == float("inf"):
        return None
    steps = steps_of(tables if gpu else _whole_cluster(tables), batch)
    rides = [ride(steps, count, cap_w) for count in samples]
    return Result(
        batch=batch,
        place="governor",
        times_s=[taken.time_s for taken in rides],
        energies_j=[taken.energy_j for taken in rides],
        median_s=ride(steps, median, cap_w).time_s,
        over_share=statistics.mean(taken.over_share for taken in rides),
    )


def _whole_cluster(tables: Tables[Any]) -> Tables[Any]:
    """The places on all cores of the fastest cluster: where a scheduler puts a busy program."""
    _, fastest = min(tables.sample_s, key=lambda pair: tables.sample_s[pair])
    cores = max(place.cores for _, place in tables.sample_s if place.cluster == fastest.cluster)
    kept = [
        pair
        for pair in tables.sample_s
        if (pair[1].cluster, pair[1].cores) == (fastest.cluster, cores)
    ]

    def cut(table: Mapping[tuple[int, Any], float]) -> dict[tuple[int, Any], float]:
        return {pair: table[pair] for pair in kept}

    return Tables(
        sample_s=cut(tables.sample_s),
        peak_w=cut(tables.peak_w),
        mean_w=cut(tables.mean_w),
        origin=tables.origin,
    )
