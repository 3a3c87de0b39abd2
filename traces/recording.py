"""A recording as a file: one part per scenario (`traces.parts`), joined when all are there."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pyarrow as pa

from platforms.application import ApplicationProfile
from platforms.application_file import shipped_applications
from platforms.board import Board
from platforms.errors import InvalidInput
from traces.experiment import open_simulated
from traces.parts import Parts, is_made, join_parts, make_parts
from traces.plan import Conduct, Plan, PlannedScenario
from traces.record import Row, RunPlace, extra_columns, record_scenario
from traces.store import arrow_schema, read_table, write_table
from traces.trace_metadata import trace_metadata
from traces.workers import finished_jobs

KnownRuns = dict[int, dict[RunPlace, Row]]
"""Rows that need not be recorded: by scenario, then by core and operating points."""


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
    known: KnownRuns | None = None,
    words: Sequence[str] = (),
) -> Recorded:
    """Record a plan on the simulated board in parallel; sound parts of an earlier start are kept.

    `profiles` are the plan's applications by name, by default the shipped ones. Runs in `known`
    are taken over (`known_runs`); `words` are those of the command, for who wants to add to it.

    `on_done` hears how many scenarios are done. After Ctrl-C or a kill at most the scenarios in the
    making are lost.
    """
    parts = _parts(out, plan)
    programs = shipped_applications() if profiles is None else profiles
    done = 0

    def count(scenarios: Sequence[int]) -> None:
        nonlocal done
        done += len(scenarios)
        on_done(done)

    def job_of(number: int) -> tuple[PlannedScenario, dict[RunPlace, Row]]:
        scenario = plan.scenarios[number]
        return scenario, (known or {}).get(scenario.number, {})

    reused = make_parts(
        parts,
        partial(_record_part, board, plan, programs, parts),
        job_of,
        finished_jobs=partial(finished_jobs, workers=workers),
        on_done=count,
    )
    table = join_parts(parts).table
    write_table(out, table, kind="traces", metadata=trace_metadata(board, plan, words))
    parts.forget()
    throttled = sum(table.column("throttled").to_pylist())
    return Recorded(table.num_rows, throttled, reused)


def _parts(out: Path, plan: Plan) -> Parts:
    count = len(plan.scenarios)
    return Parts(out=out, kind="traces", count=count, digest=plan.digest, stem="scenario")


def row_schema(conduct: Conduct) -> pa.Schema:
    """The columns of traces that were recorded so: those of all traces, and what it adds."""
    schema = arrow_schema("traces")
    for name, type_ in extra_columns(conduct).items():
        schema = schema.append(pa.field(name, pa.type_for_alias(type_)))
    return schema


def known_runs(path: Path, plan: Plan) -> KnownRuns:
    """The runs of an earlier recording of the same plan by another design, by scenario.

    Raises InvalidInput where it is of another plan. Throttled runs are taken over as well.
    """
    table, document = read_table(path, kind="traces")
    if document.get("grid_sha256") != plan.grid_digest:
        raise InvalidInput(
            f"--add-to must be a recording of the same plan, by another design "
            f"(got {path}, whose plan differs)"
        )
    found: KnownRuns = {}
    for row in table.select(row_schema(plan.conduct).names).to_pylist():
        place = row["application_core"], tuple(row["opp_index"])
        found.setdefault(row["scenario"], {})[place] = row
    return found


def _record_part(
    board: Board,
    plan: Plan,
    profiles: Mapping[str, ApplicationProfile],
    parts: Parts,
    job: tuple[PlannedScenario, dict[RunPlace, Row]],
) -> bytes:
    scenario, known = job
    rows = record_scenario(board, plan, scenario, open_simulated(board, plan, profiles), known)
    table = pa.Table.from_pylist(rows, schema=row_schema(plan.conduct))
    return parts.encode(scenario.number, table, trace_metadata(board, plan))
