"""Write the comparison of training policies as one HTML page that needs nothing else."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path

from platforms.atomic_file import replacing
from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.training_work import TrainingFile
from rm.evaluation.html_matrix import Cell, Cells, matrix_html
from rm.evaluation.html_table import MOST_UNFOLDED, folded_html, table_html
from rm.evaluation.page import Plot, definitions_html, figure_html, page, paragraph, section_html
from rm.evaluation.report import cooling_text, versions
from rm.evaluation.summary import Interval
from rm.evaluation.table import SIMULATED, Column, interval_text
from rm.evaluation.training import captions
from rm.evaluation.training.compared import TrainingComparison
from rm.evaluation.training.figures import (
    misses_figure,
    round_time_figure,
    temperature_figure,
    tradeoff_figure,
)
from rm.evaluation.training.outcome import TrainingOutcome
from rm.evaluation.training.summary import TrainingRow
from rm.evaluation.training.table import heat_columns, service_columns
from rm.evaluation.training.timeline import TrainingTimelines, training_timeline_figure
from rm.evaluation.training.verdicts import verdicts


def write_training_report(
    path: Path,
    outcomes: Sequence[TrainingOutcome],
    *,
    board: Board,
    training: TrainingFile,
    command: str,
) -> None:
    """Write the page that compares `outcomes` to `path`.

    `command` is the command line that makes the same page again. Equal arguments give equal bytes
    with the same versions of ilgov, numpy, plotly and Python. Raises InvalidInput where there are
    no outcomes, ValueError where two are of the same policy, cooling and seed.
    """
    if not outcomes:
        raise InvalidInput(f"{path}: a report must have at least one episode (got none)")
    data = TrainingComparison(outcomes)
    title = f"Training policies on the simulated {board.title}"
    tables = (
        (*heat_columns(data.rows), *_difference_columns(data)),
        service_columns(),
    )
    sections = (
        ("Overview", _overview(data)),
        ("What must hold", _verdicts_html(data, board)),
        ("Figures", "\n".join(_figures(data, board))),
        ("Summary", folded_html(data.rows, tables, data.styles)),
        ("How to read this", definitions_html(captions.WORDS, style="notes")),
    )
    body = "\n".join(
        (
            f"<h1>{escape(title)}</h1>",
            f'<p class="lead"><b>{SIMULATED}</b></p>',
            definitions_html(_what_was_run(data, board, training, command)),
            *(section_html(name, html) for name, html in sections if html),
        )
    )
    text = page(title=title, body=body)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _what_was_run(
    data: TrainingComparison, board: Board, training: TrainingFile, command: str
) -> list[tuple[str, str]]:
    seeds = sorted({outcome.seed for outcome in data.outcomes})
    coolings = [
        f"{cooling_text(name, board)}, limit {data.limits_c[name]:g} °C" for name in data.coolings
    ]
    settings = len(training.works)
    return [
        ("board", escape(f"{board.title} ({board.soc}; board file {board.name}), simulated")),
        ("training", escape(f"{training.title} ({training.name}, {settings} settings), modelled")),
        ("policies", escape(", ".join(data.policies))),
        ("cooling setups", escape("; ".join(coolings))),
        *_power_limit(data),
        ("seeds", ", ".join(map(str, seeds))),
        ("episodes", str(len(data.outcomes))),
        ("made by", f"<code>{escape(command)}</code>"),
        ("versions", escape(", ".join(versions()))),
    ]


def _power_limit(data: TrainingComparison) -> Iterator[tuple[str, str]]:
    limits_w = {row.limit_w for row in data.rows if row.limit_w is not None}
    if limits_w:
        yield "power limit", ", ".join(f"{limit_w:g} W" for limit_w in sorted(limits_w))


def _verdicts_html(data: TrainingComparison, board: Board) -> str:
    found = verdicts(data.rows, data.differences, sensor_step_k=board.sensors[0].step_k)
    if not found:
        return ""
    head = '<th>cooling</th><th class="text">required</th><th class="text">found</th><th>holds</th>'
    rows = [
        f'<tr><td>{escape(item.cooling)}</td><td class="name">{escape(item.required)}</td>'
        f'<td class="name">{escape(item.found).replace("-", "−")}</td>'
        f"<td>{'yes' if item.holds else '<b>no</b>'}</td></tr>"
        for item in found
    ]
    return table_html(head, rows) + paragraph(captions.VERDICTS)


def _overview(data: TrainingComparison) -> str:
    parts = [
        (f"mean temperature − {name}", "K", _difference_cells(data, name))
        for name in dict.fromkeys(item.reference for item in data.differences)
    ]
    parts += [
        ("missed rounds", "%", _share_cells(data, lambda r: 100 * r.missed_round_share.mean)),
        ("missed of the rounds that the exhaustive policy met", "%", _attainable_cells(data)),
        ("QoS misses", "% of the applications", _share_cells(data, _missed_percent)),
        ("over limit, at worst", "K", _share_cells(data, lambda row: row.over_k)),
    ]
    matrices = [matrix_html(title, unit, data, cells) for title, unit, cells in parts if cells]
    return "\n".join([*matrices, paragraph(captions.OVERVIEW)])


def _missed_percent(row: TrainingRow) -> float:
    return 100 * row.missed_share.mean


def _share_cells(data: TrainingComparison, value: Callable[[TrainingRow], float]) -> Cells:
    return _cells([(row, value(row)) for row in data.rows])


def _attainable_cells(data: TrainingComparison) -> Cells:
    return _cells(
        [
            (row, 100 * row.missed_attainable_rounds / row.attainable_rounds)
            for row in data.rows
            if row.attainable_rounds and row.missed_attainable_rounds is not None
        ]
    )


def _cells(values: Sequence[tuple[TrainingRow, float]]) -> Cells:
    worst = max((value for _, value in values), default=0.0)
    return {
        (row.policy, row.cooling): Cell(
            f"{value:.1f}",
            value / worst if worst > 0 else 0.0,
            f"{row.policy}, {row.cooling}, {len(row.seeds)} seeds",
        )
        for row, value in values
    }


def _difference_cells(data: TrainingComparison, reference: str) -> Cells:
    items = [item for item in data.differences if item.reference == reference]
    worst = max((item.mean_temp_k.mean for item in items), default=0.0)
    return {
        (item.policy, item.cooling): Cell(
            f"{item.mean_temp_k.mean:+.1f}".replace("-", "−"),
            max(0.0, item.mean_temp_k.mean) / worst if worst > 0 else 0.0,
            f"{interval_text(item.mean_temp_k)} K, {item.mean_temp_k.n} seeds",
        )
        for item in items
    }


def _difference_columns(data: TrainingComparison) -> Iterator[Column[TrainingRow]]:
    """A column per reference: how much warmer each policy is in the mean."""
    for name in dict.fromkeys(item.reference for item in data.differences):
        found = {
            (item.policy, item.cooling): item.mean_temp_k
            for item in data.differences
            if item.reference == name
        }
        yield Column[TrainingRow](f"mean − {name}", "K", _interval_cell(found))


def _interval_cell(
    found: dict[tuple[str, str], Interval],
) -> Callable[[TrainingRow], str]:
    return lambda row: interval_text(found.get((row.policy, row.cooling)))


def _figures(data: TrainingComparison, board: Board) -> Iterator[str]:
    """The figures with their numbers; many cooling setups share a place for the time courses."""
    numbers = itertools.count(1)
    for plot in (
        Plot("temperatures", temperature_figure(data), captions.TEMPERATURES),
        Plot("misses", misses_figure(data), captions.MISSES),
        Plot("tradeoff", tradeoff_figure(data), captions.TRADEOFF),
        Plot("round-times", round_time_figure(data), captions.ROUND_TIMES),
    ):
        yield figure_html([plot], number=next(numbers))
    timelines = _timelines(data, board)
    few = len(timelines) <= MOST_UNFOLDED
    for group in [[plot] for plot in timelines] if few else [timelines]:
        yield figure_html(group, number=next(numbers))


def _timelines(data: TrainingComparison, board: Board) -> list[Plot]:
    found = [
        TrainingTimelines(data.outcomes, cooling=cooling, policies=data.policies)
        for cooling in data.coolings
    ]
    panels = sum(len(part.episodes) for part in found)
    return [
        Plot(
            f"timeline-{number}",
            training_timeline_figure(part, board=board, styles=data.styles, panels=panels),
            captions.timeline(cooling=part.cooling, seed=part.seed),
            choices=tuple(episode.policy for episode in part.episodes),
            chosen=part.first_shown,
            tab=part.cooling,
        )
        for number, part in enumerate(found)
        if part.episodes
    ]
