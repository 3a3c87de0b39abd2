"""Write a comparison as one HTML page that needs nothing else."""

import itertools
from collections.abc import Iterator
from html import escape
from importlib.metadata import version
from pathlib import Path

from platforms.atomic_file import replacing
from traces.calibration.report_page import (
    definitions_html,
    figure_html,
    page,
    paragraph,
    section_html,
    table_html,
)
from training.federated.compare.captions import READING
from training.federated.compare.document import Compared, Document, headlines
from training.federated.compare.figures import overview_figure, runs_of, scene_figure
from training.federated.compare.tables import overview, protocol_tables, tuning_table
from training.federated.compare.words import number
from training.federated.study import Table

_TITLE = "Federated training systems, compared"


def write_report(path: Path, document: Document, *, command: str) -> None:
    """Write the page; equal arguments give equal bytes with the same versions of the libraries."""
    figures = itertools.count(1)
    parts = [
        f"<h1>{_TITLE}</h1>",
        definitions_html(_what_was_run(document, command)),
        _links(document),
        section_html("Overview", *_overview(document, figures)),
        section_html("How to read this", *map(paragraph, READING)),
        *(section_html(one.system, *_system(one, figures)) for one in document.systems),
    ]
    text = page(title=_TITLE, body="\n".join(parts))
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8")


def _what_was_run(document: Document, command: str) -> list[tuple[str, str]]:
    size = document.size
    return [
        ("size", f"{size.name}: {size.rounds} rounds, {size.seeds} seeds"),
        ("made by", command),
        ("versions", f"ilgov {version('ilgov')}, numpy {version('numpy')}"),
    ]


def _links(document: Document) -> str:
    links = (
        f'<a href="#{escape(one.system)}">{escape(one.system)}</a>' for one in document.systems
    )
    return f"<p>To: {', '.join(links)}</p>"


def _overview(document: Document, figures: "itertools.count[int]") -> Iterator[str]:
    yield from map(table, overview(document))
    caption = (
        f"Figure {next(figures)}. Left: the system's accuracy at the end less that of the baseline "
        "with the best validation accuracy. Right: what the cheapest baseline spends up to the "
        "target, per what the system spends; left of 1 the baseline is cheaper. Bars are 95 % "
        "intervals over seeds; where one of both did not always reach the target, nothing is drawn."
    )
    yield figure_html(overview_figure(headlines(document)), "overview-figure", caption)


def _system(compared: Compared, figures: "itertools.count[int]") -> Iterator[str]:
    yield paragraph(
        f"{compared.summary} ({compared.paper}). What leaves a device: {compared.leaves_device}."
    )
    for place, scene in enumerate(compared.scenes):
        yield f"<h3>{escape(scene.name)}</h3>"
        caption = (
            f"Figure {next(figures)}. {compared.system} on {scene.name}. Thin lines are seeds, "
            "thick ones their mean round by round; the dotted line is the target. Bars are 95 % "
            "intervals over seeds; markers on the grey diagonal lose nothing with lost devices."
        )
        figure = scene_figure(scene, runs_of(compared, scene))
        yield figure_html(figure, f"figure-{compared.system}-{place}".replace(":", "-"), caption)
        yield folded("The three protocols", *map(table, protocol_tables(scene)), shown=place == 0)
    for one in compared.tables:
        yield table(one)
    yield folded("Tuning", table(tuning_table(compared)))


def folded(title: str, *parts: str, shown: bool = False) -> str:
    """Parts of the page below a line that opens and closes them."""
    body = "\n".join(parts)
    return f"<details{' open' if shown else ''}><summary>{escape(title)}</summary>{body}</details>"


def table(shown: Table) -> str:
    """A table with its title, what the paper says, and what was found."""
    rows = [list(map(number, row)) for row in shown.rows]
    texts = [i for i in range(len(shown.columns)) if _is_text([row[i] for row in shown.rows])]
    parts = [f"<h3>{escape(shown.title)}</h3>", table_html(shown.columns, rows, texts=texts)]
    parts += [paragraph(f"Paper: {shown.paper}")] if shown.paper else []
    parts += [paragraph(f"Here: {shown.verdict}")] if shown.verdict else []
    return "\n".join(parts)


def _is_text(cells: list[str | float | None]) -> bool:
    """Whether a column starts its cells with words rather than numbers."""
    return any(isinstance(cell, str) and cell[:1].isalpha() for cell in cells)
