"""Write the comparison of policies as one HTML page that needs nothing else."""

import itertools
import math
import platform
from collections.abc import Iterator, Sequence
from html import escape
from importlib import metadata
from pathlib import Path

from platforms.atomic_file import replacing
from platforms.board import Board
from platforms.errors import InvalidInput
from rm.evaluation import captions
from rm.evaluation.figures import (
    Comparison,
    misses_figure,
    ratio_figure,
    temperature_figure,
    tradeoff_figure,
)
from rm.evaluation.generalisation import GeneralisationRow
from rm.evaluation.html_matrix import matrix_html, regret_cells, share_cells
from rm.evaluation.html_table import (
    MOST_UNFOLDED,
    generalisation_html,
    summary_html,
    times_html,
)
from rm.evaluation.outcome import ORACLE, EpisodeOutcome
from rm.evaluation.page import Plot, definitions_html, figure_html, page, paragraph, section_html
from rm.evaluation.regret_figure import regret_figure
from rm.evaluation.summary import differences
from rm.evaluation.table import SIMULATED, proof_text, throttling_text
from rm.evaluation.timeline_figure import Timelines, timeline_figure
from rm.evaluation.timing import REFERENCE, PolicyTimes

REFERENCES = ("oracle", "little-first", "gts-ondemand")
"""The policies that the report's table takes differences to, where they were evaluated."""

_VERSIONS_OF = ("ilgov", "numpy", "plotly")


def write_report(
    path: Path,
    outcomes: Sequence[EpisodeOutcome],
    *,
    board: Board,
    boards: str = "",
    command: str,
    generalisation: Sequence[GeneralisationRow] = (),
    times: Sequence[PolicyTimes] = (),
) -> None:
    """Write the page that compares `outcomes` to `path`.

    `board` is the one that was governed; `boards` is a sentence where policies know another one.
    `command` is the command line that makes the same page again, the wall `times` left aside. Equal
    arguments give equal bytes with the same versions of ilgov, numpy, plotly and Python. Raises
    InvalidInput where there are no outcomes, ValueError where two are of the same policy, cooling
    and seed.
    """
    if not outcomes:
        raise InvalidInput(f"{path}: a report must have at least one episode (got none)")
    data = Comparison(outcomes)
    title = f"Resource management policies on the simulated {board.title}"
    compared = [
        difference
        for name in REFERENCES
        if name in data.policies and not (name == ORACLE and data.regrets)
        for difference in differences(outcomes, reference=name)
    ]
    sections = (
        ("Overview", _overview(data)),
        ("Generalisation", _generalisation(generalisation, data)),
        ("Figures", "\n".join(_figures(data, outcomes, board))),
        ("Summary", summary_html(data, data.regrets, compared)),
        ("Decision time", _decision_time(times, data)),
        ("How to read this", definitions_html(captions.definitions(compared), style="notes")),
    )
    body = "\n".join(
        (
            f"<h1>{escape(title)}</h1>",
            f'<p class="lead"><b>{SIMULATED}</b></p>',
            definitions_html(_what_was_run(data, outcomes, board, command, boards)),
            *(section_html(name, html) for name, html in sections if html),
        )
    )
    text = page(title=title, body=body)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _overview(data: Comparison) -> str:
    """Regret, misses and right decisions per policy and cooling; what is not known is left out."""
    attainable = share_cells(
        data.rows,
        lambda row: row.missed_attainable_share,
        bad=math.sqrt,
    )
    within = share_cells(data.rows, lambda row: row.within_share, bad=lambda x: 1.0 - x)
    parts = (
        ("regret: hottest core − oracle, time mean", "K", regret_cells(data.regrets)),
        ("misses of targets that the oracle met", "% of all applications", attainable),
        ("mapping within 1 K of the optimum", "% of the looks", within),
    )
    matrices = [matrix_html(title, unit, data, cells) for title, unit, cells in parts if cells]
    prose = f"{captions.OVERVIEW} {proof_text(data.rows)}"
    return "\n".join([*matrices, paragraph(prose)]) if matrices else ""


def _generalisation(rows: Sequence[GeneralisationRow], data: Comparison) -> str:
    if not rows:
        return ""
    return generalisation_html(rows, data.styles) + paragraph(captions.GENERALISATION)


def _decision_time(times: Sequence[PolicyTimes], data: Comparison) -> str:
    if not times:
        return ""
    return times_html(times, data.styles) + paragraph(f"{captions.DECISION_TIME} {REFERENCE}")


def _what_was_run(
    data: Comparison,
    outcomes: Sequence[EpisodeOutcome],
    board: Board,
    command: str,
    boards: str,
) -> list[tuple[str, str]]:
    seeds = sorted({outcome.seed for outcome in outcomes})
    durations_s = sorted({outcome.duration_s for outcome in outcomes})
    horizon = " to ".join(
        f"{value:g}" for value in dict.fromkeys((durations_s[0], durations_s[-1]))
    )
    return [
        ("board", escape(f"{board.title} ({board.soc}; board file {board.name}), simulated")),
        *([("boards", escape(boards))] if boards else []),
        ("policies", escape(", ".join(data.policies))),
        ("cooling setups", escape("; ".join(cooling_text(name, board) for name in data.coolings))),
        ("seeds", ", ".join(map(str, seeds))),
        ("episodes", f"{len(outcomes)}, each of {horizon} s"),
        ("throttled", escape(_throttling(data, board))),
        ("made by", f"<code>{escape(command)}</code>"),
        ("versions", escape(", ".join(versions()))),
    ]


def _throttling(data: Comparison, board: Board) -> str:
    """What the board's own protection did, by its trip point."""
    if board.protection is None:
        return f"none: {board.name} has no trip points"
    trip_c = board.protection.target_c
    return f"{throttling_text(data.rows)} (share of the time; trip point {trip_c:g} °C)"


def cooling_text(name: str, board: Board) -> str:
    """A cooling setup with its numbers."""
    for setup in board.cooling:
        if setup.name == name:
            then = setup.then
            later = f", from {then.at_share:.0%} of the time on as {then.cooling}" if then else ""
            to_air = f"{setup.conductance_w_per_k:g} W/K to air of {setup.ambient_c:g} °C"
            return f"{name} ({to_air}{later})"
    return name


def versions() -> Iterator[str]:
    """Of what a page is made with."""
    for name in _VERSIONS_OF:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name} (not installed as a package)"
    yield f"Python {platform.python_version()}"


def _figures(data: Comparison, outcomes: Sequence[EpisodeOutcome], board: Board) -> Iterator[str]:
    """The figures with their numbers; many cooling setups share a place for the time courses."""
    numbers = itertools.count(1)
    plots = [
        Plot("temperatures", temperature_figure(data), captions.TEMPERATURES),
        Plot("misses", misses_figure(data), captions.MISSES),
        Plot("tradeoff", tradeoff_figure(data), captions.TRADEOFF),
    ]
    if data.regrets:
        plots.insert(0, Plot("regret", regret_figure(data), captions.REGRET))
    for plot in plots:
        yield figure_html([plot], number=next(numbers))
    timelines = _timelines(data, outcomes, board)
    few = len(timelines) <= MOST_UNFOLDED
    for group in [[plot] for plot in timelines] if few else [timelines]:
        yield figure_html(group, number=next(numbers))
    yield figure_html([Plot("ratios", ratio_figure(data), captions.RATIOS)], number=next(numbers))


def _timelines(data: Comparison, outcomes: Sequence[EpisodeOutcome], board: Board) -> list[Plot]:
    found = [
        Timelines(outcomes, cooling=cooling, policies=data.policies) for cooling in data.coolings
    ]
    panels = sum(len(part.episodes) for part in found)
    return [
        Plot(
            f"timeline-{number}",
            timeline_figure(part, board=board, styles=data.styles, panels=panels),
            captions.timeline(cooling=part.cooling, seed=part.seed),
            choices=tuple(episode.policy for episode in part.episodes),
            chosen=part.first_shown,
            tab=part.cooling,
        )
        for number, part in enumerate(found)
        if part.episodes
    ]
