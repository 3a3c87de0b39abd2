"""A recording as files: one part per scenario, joined when all are there, resumable in between."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from platforms.application_file import shipped_applications
from platforms.atomic_file import replacing
from platforms.board import Board
from platforms.errors import InvalidInput
from traces.experiment import open_simulated
from traces.plan import Plan, PlannedScenario
from traces.record import record_scenario
from traces.schema import board_digest
from traces.store import arrow_schema, read_table, write_table
from traces.workers import run_jobs


class Part(msgspec.Struct, frozen=True):
    """The job of one worker: record one scenario of a plan into a file."""

    board: Board
    plan: Plan
    scenario: PlannedScenario
    path: Path


class Recorded(msgspec.Struct, frozen=True):
    """What a recording came to. `runs` counts rows, `throttled` those that are no measurement."""

    runs: int
    throttled: int
    reused_parts: int


def parts_folder(out: Path, plan: Plan) -> Path:
    """Where the parts of an unfinished recording lie; each plan has its own folder."""
    return out.with_name(f"{out.name}.parts-{plan.digest[:12]}")


def is_recorded(out: Path, plan: Plan) -> bool:
    """Whether `out` already holds this plan's traces."""
    if not out.exists():
        return False
    try:
        _, metadata = read_table(out, kind="traces")
    except InvalidInput:
        return False
    return bool(metadata["plan_sha256"] == plan.digest)


def record(
    board: Board,
    plan: Plan,
    out: Path,
    *,
    workers: int,
    on_done: Callable[[int], None] = lambda done: None,
) -> Recorded:
    """Record a plan on the simulated board in parallel; parts that exist are kept.

    `on_done` hears how many scenarios are done. After Ctrl-C or a kill at most the scenarios in the
    making are lost.
    """
    folder = parts_folder(out, plan)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"scenario-{s.number:06d}.parquet" for s in plan.scenarios]
    missing = [
        Part(board, plan, scenario, path)
        for scenario, path in zip(plan.scenarios, paths, strict=True)
        if not path.exists()
    ]
    reused = len(paths) - len(missing)
    done = reused
    on_done(done)

    def count(_: object) -> None:
        nonlocal done
        done += 1
        on_done(done)

    run_jobs(_record_part, missing, workers=workers, on_done=count)
    table = pa.concat_tables([pq.read_table(path) for path in paths])
    write_table(out, table, kind="traces", metadata=_metadata(board, plan))
    shutil.rmtree(folder)
    throttled = sum(table.column("throttled").to_pylist())
    return Recorded(table.num_rows, throttled, reused)


def _metadata(board: Board, plan: Plan) -> dict[str, object]:
    return {
        "board": board.name,
        "board_sha256": board_digest(board),
        "cooling": plan.cooling,
        "sensor": board.sensors[0].name,
        "opps_hz": [list(cluster.freqs_hz) for cluster in board.clusters],
        "seed": plan.seed,
        "plan_sha256": plan.digest,
        "simulated": True,
    }


def _record_part(part: Part) -> None:
    open_ = open_simulated(part.board, part.plan, shipped_applications())
    rows = record_scenario(part.board, part.plan, part.scenario, open_)
    table = pa.Table.from_pylist(rows, schema=arrow_schema("traces"))
    with replacing(part.path) as temporary:
        pq.write_table(table, temporary)
