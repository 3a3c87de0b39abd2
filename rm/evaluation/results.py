"""Write the outcomes of an evaluation to three Parquet files, and read them back.

``episodes.parquet`` has one row per episode, ``applications.parquet`` one per application in an
episode, ``timeline.parquet`` one per moment of an episode. The columns are those of the types in
`outcome`; policy, cooling and seed stand in all three and join them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from platforms.atomic_file import replacing
from platforms.board import Board
from platforms.errors import InvalidInput
from rm.evaluation.outcome import ApplicationOutcome, EpisodeOutcome, Moment
from traces.store import arrow_schema, read_table, write_table

_KINDS = ("episodes", "applications", "timeline")
_DIGEST = "outcomes_sha256"

_Row = dict[str, Any]
_Run = tuple[str, str, int]


def write_results(
    folder: Path,
    outcomes: Sequence[EpisodeOutcome],
    *,
    board: Board,
    plant: Board | None = None,
) -> None:
    """Write `outcomes` into `folder` as three files: all of them, or none where writing fails.

    Their metadata name the board and, where policies know another one, that as `policies_board`.
    Equal outcomes give equal bytes. Raises ValueError where two outcomes are of the same policy,
    cooling and seed, or where all outcomes together have no application or no moment.
    """
    _check_distinct(outcomes)
    tables = {kind: _table(kind, outcomes) for kind in _KINDS}
    metadata = {"board": (plant or board).name, _DIGEST: _digest(tables)}
    if plant:
        metadata["policies_board"] = board.name
    with ExitStack() as files:
        for kind, table in tables.items():
            temporary = files.enter_context(replacing(_path(folder, kind)))
            write_table(temporary, table, kind=kind, metadata=metadata)


def read_results(folder: Path) -> tuple[EpisodeOutcome, ...]:
    """The outcomes that `write_results` wrote into `folder`, in the same order.

    Raises InvalidInput where a file is missing or damaged, or the three do not belong together.
    """
    tables: dict[str, pa.Table] = {}
    written = set()
    for kind in _KINDS:
        tables[kind], metadata = read_table(_path(folder, kind), kind=kind)
        written.add(metadata.get(_DIGEST))
    found = _digest(tables)
    if written != {found}:
        files = ", ".join(f"{kind}.parquet" for kind in _KINDS)
        raise InvalidInput(
            f"{folder}: {files} must be as one evaluation wrote them "
            f"(their contents have {_DIGEST} {found[:12]}, got "
            f"{', '.join(sorted(str(digest)[:12] for digest in written))}); evaluate again"
        )
    return tuple(_outcomes(tables))


def _path(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.parquet"


def _check_distinct(outcomes: Sequence[EpisodeOutcome]) -> None:
    seen: set[_Run] = set()
    for outcome in outcomes:
        run = (outcome.policy, outcome.cooling, outcome.seed)
        if run in seen:
            raise ValueError(
                f"outcomes must hold policy, cooling and seed {run} once (got it twice)"
            )
        seen.add(run)


def _table(kind: str, outcomes: Iterable[EpisodeOutcome]) -> pa.Table:
    schema = arrow_schema(kind)
    rows = [row for outcome in outcomes for row in _rows(kind, outcome, schema.names)]
    return pa.Table.from_pylist(rows, schema=schema)


def _rows(kind: str, outcome: EpisodeOutcome, columns: Sequence[str]) -> Iterator[_Row]:
    run = {"policy": outcome.policy, "cooling": outcome.cooling, "seed": outcome.seed}
    parts: dict[str, Sequence[object]] = {
        "episodes": (outcome,),
        "applications": outcome.applications,
        "timeline": outcome.timeline,
    }
    for part in parts[kind]:
        yield {name: run[name] if name in run else getattr(part, name) for name in columns}


def _digest(tables: Mapping[str, pa.Table]) -> str:
    """SHA-256 of all that the tables hold. It shows where files of two evaluations are mixed."""
    content = [tables[kind].select(arrow_schema(kind).names).to_pylist() for kind in _KINDS]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def _outcomes(tables: Mapping[str, pa.Table]) -> Iterator[EpisodeOutcome]:
    applications = _by_run(tables["applications"])
    timeline = _by_run(tables["timeline"])
    for row in tables["episodes"].to_pylist():
        run = _run(row)
        yield EpisodeOutcome(
            **{name: row[name] for name in arrow_schema("episodes").names},
            applications=tuple(msgspec.convert(applications[run], list[ApplicationOutcome])),
            timeline=tuple(msgspec.convert(timeline[run], list[Moment])),
        )


def _by_run(table: pa.Table) -> defaultdict[_Run, list[_Row]]:
    rows: defaultdict[_Run, list[_Row]] = defaultdict(list)
    for row in table.to_pylist():
        rows[_run(row)].append(row)
    return rows


def _run(row: _Row) -> _Run:
    return row["policy"], row["cooling"], row["seed"]
