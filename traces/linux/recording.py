"""A recording on this machine: run after run, each kept before the next one begins."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from platforms.board import Board
from platforms.platform import Clock
from traces.linux.experiment import LinuxExperiment
from traces.linux.machine import Steered
from traces.linux.programs import Program
from traces.linux.run_log import RunLog
from traces.linux.started import Start
from traces.plan import Plan, PlannedRun
from traces.record import Row, RunPlace, record_run

logger = logging.getLogger(__name__)

Known = Mapping[int, Mapping[RunPlace, Row]]


def take_over(board: Board, plan: Plan, log: RunLog, known: Known) -> int:
    """Put runs of another recording into the log, where it lacks them; how many."""
    taken = 0
    for number, run in enumerate(planned_runs(board, plan)):
        row = known.get(run.scenario.number, {}).get((run.core, run.opps))
        if row is not None and number not in log.rows:
            log.add(number, row)
            taken += 1
    return taken


def planned_runs(board: Board, plan: Plan) -> list[PlannedRun]:
    """All runs of a plan; their places here are their numbers in a log."""
    return [run for scenario in plan.scenarios for run in plan.runs(scenario, board)]


def record_runs(
    board: Board,
    plan: Plan,
    machine: Steered,
    programs: Mapping[str, Program],
    log: RunLog,
    *,
    start: Start,
    clock: Clock,
    settle_s: float,
    on_done: Callable[[int], None] = lambda made: None,
) -> int:
    """Make the runs that the log lacks; how many. `on_done` hears how many are made now.

    Programs run for a scenario at a time. Raises `RunSpoiled` where one fails again and again.
    """
    made, next_id = 0, 0
    runs = list(enumerate(planned_runs(board, plan)))
    for scenario in plan.scenarios:
        missing = [
            (number, run)
            for number, run in runs
            if run.scenario.number == scenario.number and number not in log.rows
        ]
        if not missing:
            continue
        with LinuxExperiment(
            machine,
            scenario,
            programs,
            start=start,
            clock=clock,
            settle_s=settle_s,
            load_s=plan.conduct.load_s,
            first_id=next_id,
        ) as experiment:
            for number, run in missing:
                row = record_run(board, plan, experiment, run)
                log.add(number, row)
                _say(number, row)
                made += 1
                on_done(made)
            next_id = experiment.next_id
    return made


def _say(number: int, row: Row) -> None:
    """What is wrong with a run, to whoever watches."""
    where = f"run {number}, core {row['application_core']} at {row['opp_index']}"
    if row["throttled"]:
        logger.warning("%s: throttled, no measurement", where)
    if row.get("start_reached") is False:
        logger.warning("%s: began at %.1f degC, not as asked", where, row["start_temp_c"])


def write_traces(path: Path, out: Path) -> int:
    """Make the Parquet file of a log that has all its runs; how many rows.

    Raises InvalidInput where runs are missing.
    """
    import pyarrow as pa

    from platforms.errors import InvalidInput
    from traces.linux.run_log import read_log
    from traces.recording import row_schema
    from traces.store import write_table

    header, rows = read_log(path)
    if len(rows) < header.runs:
        raise InvalidInput(
            f"{path}: must have all {header.runs} runs (got {len(rows)}); "
            "run the same 'ilgov trace record' again to make the others"
        )
    ordered: list[dict[str, Any]] = [rows[number] for number in sorted(rows)]
    table = pa.Table.from_pylist(ordered, schema=row_schema(header.conduct))
    write_table(out, table, kind="traces", metadata=header.metadata)
    return len(ordered)
