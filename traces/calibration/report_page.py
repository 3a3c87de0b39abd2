"""The frame of the calibration's pages: style, script, tables and figures. It loads nothing."""

from collections.abc import Iterable, Sequence
from html import escape

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from traces.report_frame import AXIS, FONT, INK, PAGE

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"),
    *("#56B4E9", "#882255", "#332288", "#117733", "#777777"),
)

_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #222; font: 16px/1.5 Georgia, 'Times New Roman',
  'Liberation Serif', serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
h1, h2, h3, th, figcaption b { font-family: Helvetica, Arial, 'Liberation Sans', sans-serif; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 44px 0 8px; border-bottom: 1px solid #ddd; padding-bottom: 4px; }
h3 { font-size: 15px; margin: 22px 0 4px; }
p, dl { max-width: 860px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: #6b6b6b; }
dd { margin: 0; }
code { font: 13.5px/1.45 'DejaVu Sans Mono', Menlo, Consolas, monospace; overflow-wrap: anywhere; }
figure { margin: 22px 0 34px; break-inside: avoid; }
figcaption { font-size: 15px; line-height: 1.45; max-width: 860px; margin-top: 4px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; border-top: 2px solid #222;
  border-bottom: 2px solid #222; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px 3px 0; text-align: right; white-space: nowrap; }
th { font-size: 13px; vertical-align: bottom; border-bottom: 1px solid #222; }
th.text, td.text { text-align: left; }
td.wide { text-align: left; white-space: normal; min-width: 260px; font-size: 13px;
  line-height: 1.3; }
tr.odd td { background: #f7f7f5; }
td.missed { color: #a61b1b; font-weight: bold; }
details { margin: 8px 0; }
summary { cursor: pointer; font-size: 14px; padding: 4px 0; }
@media print { .modebar { display: none; } main { padding: 0; } }
"""

_SCRIPT = """
"use strict";
const config = {displaylogo: false, responsive: true, toImageButtonOptions: {format: "svg"},
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]};
for (const place of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(document.getElementById(place.id + "-data").textContent);
  Plotly.newPlot(place, figure.data, figure.layout, config);
}
"""


def page(*, title: str, body: str) -> str:
    """A whole page around `body` (HTML), with plotly.js inside."""
    return PAGE.substitute(
        title=escape(title), style=_STYLE, plotly=get_plotlyjs(), body=body, script=_SCRIPT
    )


def section_html(title: str, *parts: str) -> str:
    """A part of the page with its heading (text)."""
    place = title.lower().replace(" ", "-")
    body = "\n".join(parts)
    return f'<section id="{escape(place)}"><h2>{escape(title)}</h2>\n{body}</section>'


def paragraph(text: str) -> str:
    """Prose (text)."""
    return f"<p>{escape(text)}</p>"


def definitions_html(entries: Iterable[tuple[str, str]]) -> str:
    """A list of terms and what they are (both text)."""
    rows = "".join(
        f"<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>\n" for term, meaning in entries
    )
    return f"<dl>\n{rows}</dl>"


def table_html(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: Sequence[int] = (0,),
    wide: Sequence[int] = (),
    missed: Iterable[tuple[int, int]] = (),
) -> str:
    """A table of texts; columns `texts` and `wide` stand left, the latter in several lines.

    `missed` are cells (row, column) that stand out.
    """
    bad = set(missed)
    left = {*texts, *wide}
    head = "".join(_cell("th", one, "text" if i in left else "") for i, one in enumerate(headers))
    body = []
    for number, row in enumerate(rows):
        cells = []
        for i, one in enumerate(row):
            place = "wide" if i in wide else "text" if i in left else ""
            cells.append(_cell("td", one, f"{place} missed" if (number, i) in bad else place))
        odd = ' class="odd"' if number % 2 else ""
        body.append(f"<tr{odd}>{''.join(cells)}</tr>")
    lines = "\n".join(body)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n{lines}</table></div>'


def _cell(kind: str, text: str, names: str) -> str:
    style = f' class="{names.strip()}"' if names else ""
    return f"<{kind}{style}>{escape(text)}</{kind}>"


def figure_html(figure: go.Figure, name: str, caption: str) -> str:
    """A figure with its caption (text); `name` is unique on the page."""
    data = plotly.io.to_json(figure, engine="json", validate=False).replace("</", "<\\/")
    height = int(figure.layout.height)
    return (
        f'<figure><div class="plot" id="{escape(name)}" style="height:{height}px"></div>'
        f'<script type="application/json" id="{escape(name)}-data">{data}</script>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def template() -> go.layout.Template:
    """White ground, thin dark axes with outside ticks, a light grid, readable type."""
    layout = go.Layout(
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        colorway=list(COLOURS),
        xaxis=AXIS,
        yaxis=AXIS,
        margin={"l": 60, "r": 30, "t": 40, "b": 55},
        hoverlabel={"font": {"family": FONT, "size": 12}},
    )
    return go.layout.Template(layout=layout)
