"""Outcomes of episodes as Parquet files that belong together: one per kind of rows.

A kind names a file, its columns (`traces.schema`) and which part of an outcome has a row in it: an
attribute that holds a sequence, or "" for the outcome itself. Policy, cooling and seed join them.
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
from platforms.errors import InvalidInput
from rm.evaluation.summary import Outcome
from traces.store import arrow_schema, read_table, write_table

Parts = Mapping[str, str]
"""By kind, the part of an outcome that has its rows."""

Row = dict[str, Any]
Run = tuple[str, str, int]

_DIGEST = "outcomes_sha256"


def write_outcomes(
    folder: Path, outcomes: Sequence[Outcome], parts: Parts, metadata: Mapping[str, str]
) -> None:
    """Write all files into `folder`, or none where writing fails. Equal outcomes, equal bytes."""
    tables = {kind: _table(kind, part, outcomes) for kind, part in parts.items()}
    told = {**metadata, _DIGEST: _digest(tables)}
    with ExitStack() as files:
        for kind, table in tables.items():
            temporary = files.enter_context(replacing(_path(folder, kind)))
            write_table(temporary, table, kind=kind, metadata=told)


def read_outcomes(folder: Path, parts: Parts) -> dict[str, pa.Table]:
    """The tables that `write_outcomes` wrote into `folder`.

    Raises InvalidInput where a file is missing or damaged, or they do not belong together.
    """
    tables: dict[str, pa.Table] = {}
    written = set()
    for kind in parts:
        tables[kind], metadata = read_table(_path(folder, kind), kind=kind)
        written.add(metadata.get(_DIGEST))
    found = _digest(tables)
    if written != {found}:
        files = ", ".join(f"{kind}.parquet" for kind in parts)
        raise InvalidInput(
            f"{folder}: {files} must be as one evaluation wrote them "
            f"(their contents have {_DIGEST} {found[:12]}, got "
            f"{', '.join(sorted(str(digest)[:12] for digest in written))}); evaluate again"
        )
    return tables


def by_run(table: pa.Table) -> defaultdict[Run, list[Row]]:
    """A table's rows of each episode."""
    rows: defaultdict[Run, list[Row]] = defaultdict(list)
    for row in table.to_pylist():
        rows[run_of(row)].append(row)
    return rows


def run_of(row: Row) -> Run:
    """Which episode a row is of."""
    return row["policy"], row["cooling"], row["seed"]


def _path(folder: Path, kind: str) -> Path:
    return folder / f"{kind}.parquet"


def _table(kind: str, part: str, outcomes: Iterable[Outcome]) -> pa.Table:
    schema = arrow_schema(kind)
    rows = [row for outcome in outcomes for row in _rows(part, outcome, schema.names)]
    return pa.Table.from_pylist(rows, schema=schema)


def _rows(part: str, outcome: Outcome, columns: Sequence[str]) -> Iterator[Row]:
    run = {"policy": outcome.policy, "cooling": outcome.cooling, "seed": outcome.seed}
    items: Sequence[object] = getattr(outcome, part) if part else (outcome,)
    for item in items:
        yield {name: run[name] if name in run else getattr(item, name) for name in columns}


def _digest(tables: Mapping[str, pa.Table]) -> str:
    """SHA-256 of all that the tables hold. It shows where files of two evaluations are mixed."""
    content = [table.select(arrow_schema(kind).names).to_pylist() for kind, table in tables.items()]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()
