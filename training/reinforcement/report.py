"""The report of a pre-training: what the table was learnt for, and the learning curve."""

from pathlib import Path

import msgspec
from msgspec import Struct

from platforms.atomic_file import replacing
from rm.policies.q_table import QTableMetadata
from training.reinforcement.pretrain import CurvePoint


class PretrainingReport(Struct, frozen=True, kw_only=True):
    """Everything that was set and measured; no times, so that it repeats.

    `states_visited` counts the rows of the table in which anything was ever tried.
    """

    metadata: QTableMetadata
    validation_applications: tuple[str, ...]
    validation_episodes: int
    states: int
    states_visited: int
    curve: tuple[CurvePoint, ...]


def report_path(out: Path) -> Path:
    """Where the report of the table `out` stands."""
    return out.with_name(f"{out.stem}.training.json")


def as_json(report: PretrainingReport) -> str:
    """The report, indented, with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def write_report(out: Path, report: PretrainingReport) -> None:
    """Write it beside the table `out`."""
    with replacing(report_path(out)) as part:
        part.write_text(as_json(report), "utf-8")
