"""Write the outcomes of a comparison with training to four Parquet files, and read them back.

``training_episodes.parquet`` has one row per episode, ``training_rounds.parquet`` one per federated
round, ``applications.parquet`` one per foreground application, ``training_timeline.parquet`` one
per moment. The columns are those of the types in `outcome`; policy, cooling and seed join them.
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
from rm.evaluation.outcome import ApplicationOutcome
from rm.evaluation.summary import grouped
from rm.evaluation.training.outcome import RoundOutcome, TrainingMoment, TrainingOutcome
from traces.store import arrow_schema, read_table, write_table

_PARTS = {
    "training_episodes": "",
    "training_rounds": "rounds",
    "applications": "applications",
    "training_timeline": "timeline",
}
"""The files, and which part of an outcome has a row in each."""

_DIGEST = "outcomes_sha256"

_Row = dict[str, Any]
_Run = tuple[str, str, int]


def write_training_results(
    folder: Path, outcomes: Sequence[TrainingOutcome], *, board: Board, training: str
) -> None:
    """Write `outcomes` into `folder` as four files: all of them, or none where writing fails.

    Their metadata name the board and the training. Equal outcomes give equal bytes. Raises
    ValueError where two outcomes are of the same policy, cooling and seed.
    """
    grouped(outcomes)
    tables = {kind: _table(kind, outcomes) for kind in _PARTS}
    metadata = {"board": board.name, "training": training, _DIGEST: _digest(tables)}
    with ExitStack() as files:
        for kind, table in tables.items():
            temporary = files.enter_context(replacing(_path(folder, kind)))
            write_table(temporary, table, kind=kind, metadata=metadata)


def read_training_results(folder: Path) -> tuple[TrainingOutcome, ...]:
    """The outcomes that `write_training_results` wrote into `folder`, in the same order.

    Raises InvalidInput where a file is missing or damaged, or they do not belong together.
    """
    tables: dict[str, pa.Table] = {}
    written = set()
    for kind in _PARTS:
        tables[kind], metadata = read_table(_path(folder, kind), kind=kind)
        written.add(metadata.get(_DIGEST))
    found = _digest(tables)
    if written != {found}:
        files = ", ".join(f"{kind}.parquet" for kind in _PARTS)
        raise InvalidInput(
            f"{folder}: {files} must be as one evaluation wrote them "
            f"(their contents have {_DIGEST} {found[:12]}, got "
            f"{', '.join(sorted(str(digest)[:12] for digest in written))}); evaluate again"
        )
    return tuple(_outcomes(tables))


def _path(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.parquet"


def _table(kind: str, outcomes: Iterable[TrainingOutcome]) -> pa.Table:
    schema = arrow_schema(kind)
    rows = [row for outcome in outcomes for row in _rows(kind, outcome, schema.names)]
    return pa.Table.from_pylist(rows, schema=schema)


def _rows(kind: str, outcome: TrainingOutcome, columns: Sequence[str]) -> Iterator[_Row]:
    run = {"policy": outcome.policy, "cooling": outcome.cooling, "seed": outcome.seed}
    parts: Sequence[object] = getattr(outcome, _PARTS[kind]) if _PARTS[kind] else (outcome,)
    for part in parts:
        yield {name: run[name] if name in run else getattr(part, name) for name in columns}


def _digest(tables: Mapping[str, pa.Table]) -> str:
    """SHA-256 of all that the tables hold. It shows where files of two evaluations are mixed."""
    content = [tables[kind].select(arrow_schema(kind).names).to_pylist() for kind in _PARTS]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


def _outcomes(tables: Mapping[str, pa.Table]) -> Iterator[TrainingOutcome]:
    rounds = _by_run(tables["training_rounds"])
    applications = _by_run(tables["applications"])
    timeline = _by_run(tables["training_timeline"])
    for row in tables["training_episodes"].to_pylist():
        run = _run(row)
        yield TrainingOutcome(
            **{name: row[name] for name in arrow_schema("training_episodes").names},
            rounds=tuple(msgspec.convert(rounds[run], list[RoundOutcome])),
            applications=tuple(msgspec.convert(applications[run], list[ApplicationOutcome])),
            timeline=tuple(msgspec.convert(timeline[run], list[TrainingMoment])),
        )


def _by_run(table: pa.Table) -> defaultdict[_Run, list[_Row]]:
    rows: defaultdict[_Run, list[_Row]] = defaultdict(list)
    for row in table.to_pylist():
        rows[_run(row)].append(row)
    return rows


def _run(row: _Row) -> _Run:
    return row["policy"], row["cooling"], row["seed"]
