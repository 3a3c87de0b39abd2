"""A recording as a file: one part per scenario (`traces.parts`), joined when all are there."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa

from platforms.application import ApplicationProfile
from platforms.application_file import shipped_applications
from platforms.board import Board
from traces.experiment import open_simulated
from traces.parts import Parts, is_made, join_parts, make_parts
from traces.plan import Plan, PlannedScenario
from traces.record import record_scenario
from traces.schema import board_digest
from traces.store import arrow_schema, write_table
from traces.workers import finished_jobs


class Recorded(msgspec.Struct, frozen=True):
    """What a recording came to. `runs` counts rows, `throttled` those that are no measurement."""

    runs: int
    throttled: int
    reused_parts: int


def parts_folder(out: Path, plan: Plan) -> Path:
    """Where the parts of an unfinished recording lie; each plan has its own folder."""
    return _parts(out, plan).folder


def is_recorded(out: Path, plan: Plan) -> bool:
    """Whether `out` already holds this plan's traces."""
    return is_made(out, kind="traces", digest_key="plan_sha256", digest=plan.digest)


def forget(out: Path, plan: Plan) -> None:
    """Remove the parts of an unfinished recording, if there are any."""
    _parts(out, plan).forget()


def record(
    board: Board,
    plan: Plan,
    out: Path,
    *,
    workers: int,
    on_done: Callable[[int], None] = lambda done: None,
    profiles: Mapping[str, ApplicationProfile] | None = None,
) -> Recorded:
    """Record a plan on the simulated board in parallel; sound parts of an earlier start are kept.

    `profiles` are the plan's applications by name, by default the shipped ones.

    `on_done` hears how many scenarios are done. After Ctrl-C or a kill at most the scenarios in the
    making are lost.
    """
    parts = _parts(out, plan)
    known = shipped_applications() if profiles is None else profiles
    done = 0

    def count(scenarios: Sequence[int]) -> None:
        nonlocal done
        done += len(scenarios)
        on_done(done)

    reused = make_parts(
        parts,
        partial(_record_part, board, plan, known, parts),
        plan.scenarios.__getitem__,
        finished_jobs=partial(finished_jobs, workers=workers),
        on_done=count,
    )
    table = join_parts(parts).table
    write_table(out, table, kind="traces", metadata=_metadata(board, plan))
    parts.forget()
    throttled = sum(table.column("throttled").to_pylist())
    return Recorded(table.num_rows, throttled, reused)


def _parts(out: Path, plan: Plan) -> Parts:
    count = len(plan.scenarios)
    return Parts(out=out, kind="traces", count=count, digest=plan.digest, stem="scenario")


def _metadata(board: Board, plan: Plan) -> dict[str, object]:
    return {
        "board": board.name,
        "board_sha256": board_digest(board),
        "cooling": plan.cooling,
        "sensor": board.sensors[0].name,
        "opps_hz": [list(cluster.freqs_hz) for cluster in board.clusters],
        "seed": plan.seed,
        "plan_sha256": plan.digest,
        "pools": plan.pools,
        "simulated": True,
    }


def _record_part(
    board: Board,
    plan: Plan,
    profiles: Mapping[str, ApplicationProfile],
    parts: Parts,
    scenario: PlannedScenario,
) -> bytes:
    rows = record_scenario(board, plan, scenario, open_simulated(board, plan, profiles))
    table = pa.Table.from_pylist(rows, schema=arrow_schema("traces"))
    return parts.encode(scenario.number, table, _metadata(board, plan))
