"""Runs of the study in detail: tuned and at one rate for all, with what it took to the target."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from training.federated.engine.inprocess import InProcess
from training.federated.fleet import load_fleet
from training.federated.rounds import Record, run_rounds
from training.federated.system import Played, Setup

TARGET = 0.9
"""Test accuracy that rounds, time, server updates and bytes are counted to."""

EQUAL_RATE = 0.1
"""The published code's learning rate, the same for all in the second comparison."""

TUNING_SEEDS = (1_000_003, 1_000_033)
"""Seeds of tuning runs; no other run has them."""


class Run(Struct, frozen=True, kw_only=True):
    """One run: its end, and what it took to `TARGET` (None: it was not reached)."""

    seed: int
    final: float
    validation: float
    rounds_to: int | None
    time_to_s: float | None
    updates_to: float | None
    bytes_to: float | None
    waiting_share: float
    participants: float
    samples: float
    divergence: float | None


class Contest(Struct, frozen=True, kw_only=True):
    """A method's runs: at the rate that tuning found best, and at the one that all shared.

    `validations` are those of tuning runs by rate; empty where only one rate was tried.
    """

    rates: list[float]
    validations: list[float]
    rate: float
    tuned: list[Run]
    equal: list[Run]


def contest(
    setup: Mapping[str, Any],
    rates: Sequence[float],
    equal_rate: float | None,
    seeds: Sequence[int],
    rounds: int,
) -> dict[str, Any]:
    """A contest's result as JSON; `setup` is a Setup as JSON, without seed and learning rate."""
    asked = msgspec.convert(setup, Setup)
    validations = [_validation(asked, rate, rounds) for rate in rates] if len(rates) > 1 else []
    rate = rates[int(np.argmax(validations))] if validations else rates[0]
    tuned = [play(asked, rate, seed, rounds) for seed in seeds]
    equal: list[Run] = []
    if equal_rate is not None:
        equal = tuned if rate == equal_rate else [play(asked, equal_rate, s, rounds) for s in seeds]
    found = Contest(rates=list(rates), validations=validations, rate=rate, tuned=tuned, equal=equal)
    built = msgspec.to_builtins(found)
    assert isinstance(built, dict)
    return built


def _validation(setup: Setup, rate: float, rounds: int) -> float:
    return float(np.mean([play(setup, rate, seed, rounds).validation for seed in TUNING_SEEDS]))


def play(setup: Setup, rate: float, seed: int, rounds: int) -> Run:
    """One run. Its `validation` is the mean over all rounds: it rewards speed and the end alike.

    By the end alone, a slower rate often wins by a hair, and rounds to the target are lost with it.
    """
    from training.federated.systems.mergesfl import SYSTEM

    options = {**setup.options, "learning_rate": rate}
    asked = msgspec.structs.replace(setup, seed=seed, options=options)
    updates: list[float] = [0.0]

    def note(record: Record, played: Played) -> None:
        del played
        updates.append(record.notes.get("server_updates", 0.0))

    record = run_rounds(
        SYSTEM.server(asked),
        InProcess(SYSTEM, asked),
        load_fleet(asked.fleet, asked.devices),
        rounds=rounds,
        seed=seed,
        on_round=note,
    )
    return _run_of(record, updates, seed)


def _run_of(record: Record, updates: Sequence[float], seed: int) -> Run:
    points, notes = record.points, record.notes
    there = next((point for point in points if point.test >= TARGET), None)
    return Run(
        seed=seed,
        final=points[-1].test,
        validation=float(np.mean([point.validation for point in points[1:]])),
        rounds_to=there.round if there else None,
        time_to_s=there.time_s if there else None,
        updates_to=updates[there.round] if there else None,
        bytes_to=float(there.up_bytes + there.down_bytes) if there else None,
        waiting_share=points[-1].waiting_s / notes["presence_s"],
        participants=notes["participants"] / record.rounds,
        samples=notes["samples"] / record.rounds,
        divergence=notes["divergence"] / record.rounds if "divergence" in notes else None,
    )
