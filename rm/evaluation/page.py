"""The report's HTML frame: style, script and places for figures. It loads nothing from anywhere."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
import plotly.io
from msgspec import Struct
from plotly.offline import get_plotlyjs

from traces.report_frame import PAGE


class Plot(Struct, frozen=True):
    """A figure on the page with its caption in HTML.

    `choices` are the policies to choose from, `chosen` is the one shown first. `tab` names it among
    several that share one place.
    """

    id: str
    figure: go.Figure
    caption: str
    choices: tuple[str, ...] = ()
    chosen: str = ""
    tab: str = ""


_STYLE = """
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #222; font: 16px/1.5 Georgia, 'Times New Roman',
  'Liberation Serif', serif; }
main { max-width: 1080px; margin: 0 auto; padding: 32px 24px 64px; }
h1, h2, th, caption, summary, .choice, .tabs, figcaption b {
  font-family: Helvetica, Arial, 'Liberation Sans', sans-serif; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 44px 0 8px; border-bottom: 1px solid #ddd; padding-bottom: 4px; }
.lead { margin: 0 0 18px; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; }
dt { color: #6b6b6b; }
dd { margin: 0; }
code { font: 13.5px/1.45 'DejaVu Sans Mono', Menlo, Consolas, monospace; overflow-wrap: anywhere; }
dd code { display: block; background: #f5f5f3; padding: 2px 6px; border-radius: 3px; }
figure { margin: 22px 0 34px; break-inside: avoid; }
figcaption { font-size: 15px; line-height: 1.45; max-width: 860px; margin-top: 4px; }
.choice, .tabs { display: flex; flex-wrap: wrap; gap: 4px; align-items: center; font-size: 13px;
  margin: 6px 0; }
.choice span, .tabs span { color: #6b6b6b; margin-right: 6px; }
.choice button, .tabs button { font: inherit; color: #222; background: #fff; border: 1px solid #bbb;
  border-radius: 3px; padding: 3px 10px; cursor: pointer; }
.choice button[aria-pressed=true], .tabs button[aria-pressed=true] { background: #222;
  border-color: #222; color: #fff; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; border-top: 2px solid #222;
  border-bottom: 2px solid #222; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 7px; text-align: right; white-space: nowrap; }
th { font-size: 13px; vertical-align: bottom; border-bottom: 1px solid #222; }
.unit { font-weight: normal; color: #6b6b6b; }
th .unit { display: block; }
caption { text-align: left; font-size: 14px; font-weight: bold; padding: 10px 2px 4px; }
table.matrix { width: auto; min-width: 60%; margin-bottom: 14px; }
table.matrix td { min-width: 52px; }
td.text, td.name, th.text { text-align: left; }
td.text { white-space: normal; max-width: 220px; }
tr.first td { border-top: 1px solid #ddd; vertical-align: top; }
details { margin: 8px 0; }
details .scroll { margin-bottom: 16px; }
summary { cursor: pointer; font-size: 14px; padding: 4px 0; }
.lead, .note { max-width: 860px; }
th:first-child, td:first-child { text-align: left; padding-left: 2px; }
tr + tr th:first-child { text-align: right; }
.swatch { display: inline-block; width: 10px; height: 10px; margin-right: 7px; }
.notes dt { color: #222; font-weight: bold; }
.notes { gap: 8px 22px; }
@media print { .choice, .tabs, .modebar { display: none; } main { padding: 0; } }
"""

# Every plot's data lie beside it as JSON; a plot behind a tab is drawn when it is first shown. A
# choice shows the traces whose meta it is, and makes its line among those that all policies share
# the thick one.
_SCRIPT = """
"use strict";
const config = {displaylogo: false, responsive: true, toImageButtonOptions: {format: "svg"},
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]};
const draw = (place) => {
  if (place.data) return;
  const figure = JSON.parse(document.getElementById(place.id + "-data").textContent);
  Plotly.newPlot(place, figure.data, figure.layout, config);
};
for (const place of document.querySelectorAll(".panel:not([hidden]) .plot")) draw(place);
for (const tabs of document.querySelectorAll(".tabs")) {
  const buttons = tabs.querySelectorAll("button");
  const show = (id) => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", button.value === id);
      document.getElementById(button.value).closest(".panel").hidden = button.value !== id;
    }
    draw(document.getElementById(id));
  };
  for (const button of buttons) button.addEventListener("click", () => show(button.value));
}
for (const choice of document.querySelectorAll(".choice")) {
  const plot = document.getElementById(choice.dataset.plot);
  const buttons = choice.querySelectorAll("button");
  const choose = (chosen) => {
    const own = [], lines = [];
    plot.data.forEach((trace, i) => (trace.meta ? own : lines).push(i));
    Plotly.restyle(plot, {visible: own.map((i) => plot.data[i].meta === chosen)}, own);
    Plotly.restyle(plot, {"line.width": lines.map((i) => plot.data[i].name === chosen ? 3 : 1.5)},
      lines);
    for (const button of buttons) button.setAttribute("aria-pressed", button.value === chosen);
  };
  for (const button of buttons) button.addEventListener("click", () => choose(button.value));
}
"""


def page(*, title: str, body: str) -> str:
    """A whole page around `body`, with plotly.js inside."""
    return PAGE.substitute(
        title=escape(title), style=_STYLE, plotly=get_plotlyjs(), body=body, script=_SCRIPT
    )


def section_html(title: str, body: str) -> str:
    """A part of the page with its heading (text)."""
    place = title.lower().replace(" ", "-")
    return f'<section id="{escape(place)}"><h2>{escape(title)}</h2>\n{body}</section>'


def paragraph(text: str) -> str:
    """Prose (HTML) below a table."""
    return f'<p class="note">{text.strip()}</p>'


def figure_html(plots: Sequence[Plot], *, number: int) -> str:
    """A numbered figure: one plot, or several behind tabs, the first of them shown."""
    panels = "".join(_panel_html(plot, number, shown=plot is plots[0]) for plot in plots)
    return f"<figure>{_tabs_html(plots)}{panels}</figure>"


def _panel_html(plot: Plot, number: int, *, shown: bool) -> str:
    """A plot's place on the page, its data, and its caption."""
    data = plotly.io.to_json(plot.figure, engine="json", validate=False)
    height = int(plot.figure.layout.height)
    return (
        f'<div class="panel"{"" if shown else " hidden"}>{_choice_html(plot)}'
        f'<div class="plot" id="{plot.id}" style="height:{height}px"></div>'
        f'<script type="application/json" id="{plot.id}-data">{data}</script>'
        f"<figcaption><b>Figure {number}.</b> {plot.caption}</figcaption></div>"
    )


def _tabs_html(plots: Sequence[Plot]) -> str:
    if len(plots) < 2:
        return ""
    buttons = "".join(
        f'<button value="{plot.id}" aria-pressed="{str(plot is plots[0]).lower()}">'
        f"{escape(plot.tab)}</button>"
        for plot in plots
    )
    return f'<div class="tabs"><span>cooling</span>{buttons}</div>'


def definitions_html(entries: Sequence[tuple[str, str]], *, style: str = "") -> str:
    """A list of terms (text) and what they mean (HTML)."""
    rows = "".join(f"<dt>{escape(term)}</dt><dd>{meaning}</dd>\n" for term, meaning in entries)
    return f'<dl class="{style}">\n{rows}</dl>'


def _choice_html(plot: Plot) -> str:
    if not plot.choices:
        return ""
    buttons = "".join(
        f'<button value="{escape(name)}" aria-pressed="{str(name == plot.chosen).lower()}">'
        f"{escape(name)}</button>"
        for name in plot.choices
    )
    label = "<span>clocks and mapping of</span>"
    return f'<div class="choice" data-plot="{plot.id}">{label}{buttons}</div>'
