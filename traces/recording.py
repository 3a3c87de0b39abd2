"""A recording as files: one part per scenario, joined when all are there, resumable in between."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa

from platforms.application import ApplicationProfile
from platforms.application_file import shipped_applications
from platforms.board import Board
from platforms.errors import InvalidInput
from traces.experiment import open_simulated
from traces.plan import Plan, PlannedScenario
from traces.record import record_scenario
from traces.schema import board_digest
from traces.store import arrow_schema, read_table, write_table
from traces.workers import run_jobs


class Part(msgspec.Struct, frozen=True):
    """The job of one worker: record one scenario into a file."""

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
    return _holds(out, plan) is not None


def forget(out: Path, plan: Plan) -> None:
    """Remove the parts of an unfinished recording, if there are any."""
    shutil.rmtree(parts_folder(out, plan), ignore_errors=True)


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
    folder = parts_folder(out, plan)
    folder.mkdir(parents=True, exist_ok=True)
    parts = [Part(s, folder / f"scenario-{s.number:06d}.parquet") for s in plan.scenarios]
    missing = [part for part in parts if not _is_whole(part, board, plan)]
    reused = len(parts) - len(missing)
    done = reused
    on_done(done)

    def count(_: object) -> None:
        nonlocal done
        done += 1
        on_done(done)

    known = shipped_applications() if profiles is None else profiles
    record_part = partial(_record_part, board, plan, known)
    try:
        run_jobs(record_part, missing, workers=workers, on_done=count)
    finally:
        _remove_half_written(folder)
    table = pa.concat_tables([read_table(part.path, kind="traces")[0] for part in parts])
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
        "pools": plan.pools,
        "simulated": True,
    }


def _record_part(
    board: Board, plan: Plan, profiles: Mapping[str, ApplicationProfile], part: Part
) -> None:
    rows = record_scenario(board, plan, part.scenario, open_simulated(board, plan, profiles))
    table = pa.Table.from_pylist(rows, schema=arrow_schema("traces"))
    write_table(part.path, table, kind="traces", metadata=_metadata(board, plan))


def _is_whole(part: Part, board: Board, plan: Plan) -> bool:
    """Whether a part is there with all its runs. A power cut may leave an empty or torn file."""
    table = _holds(part.path, plan)
    runs = len(plan.free_cores(part.scenario, board)) * len(plan.grid)
    return table is not None and table["scenario"].to_pylist() == [part.scenario.number] * runs


def _holds(path: Path, plan: Plan) -> pa.Table | None:
    """The traces in a file, where it is sound and of this plan."""
    try:
        table, metadata = read_table(path, kind="traces")
    except InvalidInput:
        return None
    return table if metadata["plan_sha256"] == plan.digest else None


def _remove_half_written(folder: Path) -> None:
    """What workers that were ended or killed left behind of `platforms.atomic_file`'s work."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
