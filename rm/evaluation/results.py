"""Write the outcomes of an evaluation to three Parquet files, and read them back.

``episodes.parquet`` has one row per episode, ``applications.parquet`` one per application in an
episode, ``timeline.parquet`` one per moment of an episode. The columns are those of the types in
`outcome`; policy, cooling and seed stand in all three and join them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from platforms.board import Board
from rm.evaluation.outcome import ApplicationOutcome, EpisodeOutcome, Moment
from rm.evaluation.outcome_files import Run, by_run, read_outcomes, run_of, write_outcomes
from traces.store import arrow_schema

_PARTS = {"episodes": "", "applications": "applications", "timeline": "timeline"}
"""The files, and which part of an outcome has a row in each."""


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
    metadata = {"board": (plant or board).name}
    if plant:
        metadata["policies_board"] = board.name
    write_outcomes(folder, outcomes, _PARTS, metadata)


def read_results(folder: Path) -> tuple[EpisodeOutcome, ...]:
    """The outcomes that `write_results` wrote into `folder`, in the same order.

    Raises InvalidInput where a file is missing or damaged, or the three do not belong together.
    """
    return tuple(_outcomes(read_outcomes(folder, _PARTS)))


def _check_distinct(outcomes: Sequence[EpisodeOutcome]) -> None:
    seen: set[Run] = set()
    for outcome in outcomes:
        run = (outcome.policy, outcome.cooling, outcome.seed)
        if run in seen:
            raise ValueError(
                f"outcomes must hold policy, cooling and seed {run} once (got it twice)"
            )
        seen.add(run)


def _outcomes(tables: Mapping[str, pa.Table]) -> Iterator[EpisodeOutcome]:
    applications = by_run(tables["applications"])
    timeline = by_run(tables["timeline"])
    for row in tables["episodes"].to_pylist():
        run = run_of(row)
        yield EpisodeOutcome(
            **{name: row[name] for name in arrow_schema("episodes").names},
            applications=tuple(msgspec.convert(applications[run], list[ApplicationOutcome])),
            timeline=tuple(msgspec.convert(timeline[run], list[Moment])),
        )
