"""The joint optima of drawn scenarios as a sweep: what a shard is, and the row of a solution."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec import Struct, structs

from oracle.joint import BUDGET, JointSearch, Solution
from oracle.scenarios import DrawParameters, draw_scenario
from oracle.sweep import SweptFile
from oracle.whatif import Wanted, WhatIf
from platforms.application import ApplicationProfile
from platforms.board import Board, CoolingSetup
from traces.parts import Parts
from traces.schema import applications_digest, board_digest, cooling_digest
from traces.store import arrow_schema


class SearchParameters(Struct, frozen=True, kw_only=True):
    """What is searched for, as `oracle.joint.JointSearch` takes it."""

    objective: str = "peak"
    move_k: float = 0.0
    budget: int = BUDGET


class Numbers(Struct, frozen=True):
    """The job of one shard: its number, and the scenarios ``start`` up to, not including, ``stop``.

    They are drawn where they are solved.
    """

    shard: int
    start: int
    stop: int


class JointSweep:
    """`scenarios` drawn from `profiles` on a board under a cooling setup, and their optima."""

    def __init__(
        self,
        board: Board,
        cooling: CoolingSetup,
        profiles: Sequence[ApplicationProfile],
        drawn: DrawParameters,
        search: SearchParameters,
        *,
        scenarios: int,
        out: Path,
        shard_size: int,
    ) -> None:
        """Cut them."""
        self.metadata: dict[str, Any] = {
            "board": board.name,
            "board_sha256": board_digest(board),
            "cooling": cooling.name,
            "cooling_sha256": cooling_digest(cooling),
            "applications": [profile.name for profile in profiles],
            "applications_sha256": applications_digest(profiles),
            "drawn": structs.asdict(drawn),
            "search": structs.asdict(search),
        }
        self.file = SweptFile(
            out=out,
            kind="joint",
            content={**self.metadata, "scenarios": scenarios},
            scenarios=scenarios,
            shard_size=shard_size,
        )
        self.make_shard = partial(
            _make_shard,
            board,
            cooling,
            tuple(profiles),
            drawn,
            search,
            self.metadata,
            self.file.parts,
        )

    def job_of(self, shard: int) -> Numbers:
        """The scenarios of a shard."""
        numbers = self.file.shard(shard)
        return Numbers(shard, numbers.start, numbers.stop)


def _make_shard(
    board: Board,
    cooling: CoolingSetup,
    profiles: Sequence[ApplicationProfile],
    drawn: DrawParameters,
    search: SearchParameters,
    about: dict[str, Any],
    parts: Parts,
    numbers: Numbers,
) -> bytes:
    """Solve the shard's scenarios with a search of its own, which has seen no other shard."""
    joint = JointSearch(models=WhatIf(board, cooling), **structs.asdict(search))
    rows = []
    for number in range(numbers.start, numbers.stop):
        apps = draw_scenario(board, profiles, drawn, number)
        rows.append(_row(number, apps, joint.solve(apps)))
    figures = {
        "scenarios": len(rows),
        "optimal": sum(row["optimal"] for row in rows),
        "missed": sum(any(row["missed_share"]) for row in rows),
        "nodes": sum(row["nodes"] for row in rows),
    }
    table = pa.Table.from_pylist(rows, schema=arrow_schema("joint"))
    return parts.encode(numbers.shard, table, about, figures)


def _row(number: int, apps: Sequence[Wanted], found: Solution) -> dict[str, Any]:
    missed = dict.fromkeys((app.id for app in apps), 0.0)
    missed |= {miss.application_id: miss.share for miss in found.misses}
    return {
        "scenario": number,
        "application": [app.profile.name for app in apps],
        "phase": [app.phase for app in apps],
        "target_ips": [app.target_ips for app in apps],
        "present_core": [app.cores[0] for app in apps],
        "core": [cores[0] for cores in found.placement],
        "opp_index": list(found.opp_index),
        "missed_share": list(missed.values()),
        "shortfall": found.shortfall,
        "peak_c": _if_finite(found.peak_c),
        "value": _if_finite(found.value),
        "lower_bound": _if_finite(found.lower_bound),
        "gap": _if_finite(found.gap),
        "shortfall_bound": found.shortfall_bound,
        "optimal": found.optimal,
        "nodes": found.nodes,
    }


def _if_finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
