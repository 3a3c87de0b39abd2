"""Write the comparison of policies as one HTML page that needs nothing else."""

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
from rm.evaluation.html_table import table_html
from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.page import Plot, definitions_html, page, plot_html
from rm.evaluation.summary import Difference, differences
from rm.evaluation.table import SIMULATED
from rm.evaluation.timeline_figure import Timelines, timeline_figure

REFERENCES = ("oracle", "little-first", "gts-ondemand")
"""The policies that the report's table takes differences to, where they were evaluated."""

_VERSIONS_OF = ("ilgov", "numpy", "plotly")


def write_report(
    path: Path, outcomes: Sequence[EpisodeOutcome], *, board: Board, command: str
) -> None:
    """Write the page that compares `outcomes` to `path`.

    `command` is the command line that makes the same page again. Equal arguments give equal bytes
    with the same versions of ilgov, numpy, plotly and Python. Raises InvalidInput where there are
    no outcomes, ValueError where two are of the same policy, cooling and seed.
    """
    if not outcomes:
        raise InvalidInput(f"{path}: a report must have at least one episode (got none)")
    data = Comparison(outcomes)
    title = f"Resource management policies on the simulated {board.title}"
    plots = _plots(data, outcomes, board)
    compared = [d for name in REFERENCES if name in data.policies for d in _against(name, outcomes)]
    body = "\n".join(
        (
            f"<h1>{escape(title)}</h1>",
            f'<p class="lead"><b>{SIMULATED}</b></p>',
            definitions_html(_what_was_run(data, outcomes, board, command)),
            "<h2>Figures</h2>",
            *(plot_html(plot, number=number) for number, plot in enumerate(plots, start=1)),
            "<h2>Summary</h2>",
            table_html(data, compared),
            "<h2>How to read this</h2>",
            definitions_html(captions.definitions(compared), style="notes"),
        )
    )
    text = page(title=title, body=body)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _against(reference: str, outcomes: Sequence[EpisodeOutcome]) -> tuple[Difference, ...]:
    return differences(outcomes, reference=reference)


def _what_was_run(
    data: Comparison, outcomes: Sequence[EpisodeOutcome], board: Board, command: str
) -> list[tuple[str, str]]:
    seeds = sorted({outcome.seed for outcome in outcomes})
    durations_s = sorted({outcome.duration_s for outcome in outcomes})
    horizon = " to ".join(
        f"{value:g}" for value in dict.fromkeys((durations_s[0], durations_s[-1]))
    )
    return [
        ("board", escape(f"{board.title} ({board.soc}; board file {board.name}), simulated")),
        ("policies", escape(", ".join(data.policies))),
        ("cooling setups", escape("; ".join(_cooling_text(name, board) for name in data.coolings))),
        ("seeds", ", ".join(map(str, seeds))),
        ("episodes", f"{len(outcomes)}, each of {horizon} s"),
        ("made by", f"<code>{escape(command)}</code>"),
        ("versions", escape(", ".join(_versions()))),
    ]


def _cooling_text(name: str, board: Board) -> str:
    for setup in board.cooling:
        if setup.name == name:
            return f"{name} ({setup.conductance_w_per_k:g} W/K to air of {setup.ambient_c:g} °C)"
    return name


def _versions() -> Iterator[str]:
    for name in _VERSIONS_OF:
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            yield f"{name} (not installed as a package)"
    yield f"Python {platform.python_version()}"


def _plots(data: Comparison, outcomes: Sequence[EpisodeOutcome], board: Board) -> list[Plot]:
    plots = [
        Plot("temperatures", temperature_figure(data), captions.TEMPERATURES),
        Plot("misses", misses_figure(data), captions.MISSES),
        Plot("tradeoff", tradeoff_figure(data), captions.TRADEOFF),
    ]
    timelines = [
        Timelines(outcomes, cooling=cooling, policies=data.policies) for cooling in data.coolings
    ]
    panels = sum(len(part.episodes) for part in timelines)
    for number, part in enumerate(timelines):
        if part.episodes:
            figure = timeline_figure(part, board=board, styles=data.styles, panels=panels)
            caption = captions.timeline(cooling=part.cooling, seed=part.seed)
            choices = tuple(episode.policy for episode in part.episodes)
            plot = Plot(f"timeline-{number}", figure, caption, choices, part.first_shown)
            plots.append(plot)
    plots.append(Plot("ratios", ratio_figure(data), captions.RATIOS))
    return plots
