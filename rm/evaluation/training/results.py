"""Write the outcomes of a comparison with training to four Parquet files, and read them back.

``training_episodes.parquet`` has one row per episode, ``training_rounds.parquet`` one per federated
round, ``applications.parquet`` one per foreground application, ``training_timeline.parquet`` one
per moment. The columns are those of the types in `outcome`; policy, cooling and seed join them.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from platforms.board import Board
from rm.evaluation.outcome import ApplicationOutcome
from rm.evaluation.outcome_files import by_run, read_outcomes, run_of, write_outcomes
from rm.evaluation.summary import grouped
from rm.evaluation.training.outcome import RoundOutcome, TrainingMoment, TrainingOutcome
from traces.store import arrow_schema

_PARTS = {
    "training_episodes": "",
    "training_rounds": "rounds",
    "applications": "applications",
    "training_timeline": "timeline",
}
"""The files, and which part of an outcome has a row in each."""


def write_training_results(
    folder: Path, outcomes: Sequence[TrainingOutcome], *, board: Board, training: str
) -> None:
    """Write `outcomes` into `folder` as four files: all of them, or none where writing fails.

    Their metadata name the board and the training. Equal outcomes give equal bytes. Raises
    ValueError where two outcomes are of the same policy, cooling and seed.
    """
    grouped(outcomes)
    write_outcomes(folder, outcomes, _PARTS, {"board": board.name, "training": training})


def read_training_results(folder: Path) -> tuple[TrainingOutcome, ...]:
    """The outcomes that `write_training_results` wrote into `folder`, in the same order.

    Raises InvalidInput where a file is missing or damaged, or they do not belong together.
    """
    return tuple(_outcomes(read_outcomes(folder, _PARTS)))


def _outcomes(tables: Mapping[str, pa.Table]) -> Iterator[TrainingOutcome]:
    rounds = by_run(tables["training_rounds"])
    applications = by_run(tables["applications"])
    timeline = by_run(tables["training_timeline"])
    for row in tables["training_episodes"].to_pylist():
        run = run_of(row)
        yield TrainingOutcome(
            **{name: row[name] for name in arrow_schema("training_episodes").names},
            rounds=tuple(msgspec.convert(rounds[run], list[RoundOutcome])),
            applications=tuple(msgspec.convert(applications[run], list[ApplicationOutcome])),
            timeline=tuple(msgspec.convert(timeline[run], list[TrainingMoment])),
        )
