"""The page that shows how the search's time grows. It loads nothing from anywhere."""

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from oracle.scaling import CUT_APPLICATIONS, CUT_BOARD, Scaling, ScalingPoint
from rm.evaluation.figure_style import template
from rm.evaluation.page import Plot, definitions_html, figure_html, page

_TITLE = "Time of the exact joint search"
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#332288")
_SYMBOLS = ("square", "circle", "triangle-up", "diamond", "triangle-down", "cross", "x", "star")
_CUT_COLOUR, _CUT_SYMBOL = "#222222", "pentagon"
_HEIGHT_PX = 440

_CAPTION = (
    "Processor time per solution on one core, logarithmic; solid: median, dotted: 95th percentile "
    "of the scenarios. Left: whole boards. Right: {cut} with cores left out, {applications} "
    "applications; where there are fewer cores than applications, these share cores."
)


def scaling_page(scaling: Scaling, about: Sequence[tuple[str, str]]) -> str:
    """The whole page; `about` are terms with their meanings (text) to be told above the figure."""
    caption = _CAPTION.format(cut=CUT_BOARD, applications=CUT_APPLICATIONS)
    plot = Plot("scaling", scaling_figure(scaling), caption)
    told = definitions_html([(term, escape(meaning)) for term, meaning in about])
    body = f"<h1>{_TITLE}</h1>\n{told}\n{figure_html([plot], number=1)}"
    return page(title=_TITLE, body=body)


def scaling_figure(scaling: Scaling) -> go.Figure:
    """Two panels with one logarithmic time axis: against applications, and against cores."""
    figure = make_subplots(cols=2, shared_yaxes="all", horizontal_spacing=0.04)
    figure.update_layout(template=template(), height=_HEIGHT_PX)
    boards = dict.fromkeys(point.board for point in scaling.by_applications)
    for i, board in enumerate(boards):
        points = [point for point in scaling.by_applications if point.board == board]
        style = (_COLOURS[i % len(_COLOURS)], _SYMBOLS[i % len(_SYMBOLS)])
        name = f"{points[0].title} ({points[0].cores} cores)"
        applications = [point.applications for point in points]
        figure.add_traces(_lines(points, applications, name, style), rows=1, cols=1)
    cut = scaling.by_cores
    name = f"{CUT_BOARD} with cores left out"
    lines = _lines(cut, [point.cores for point in cut], name, (_CUT_COLOUR, _CUT_SYMBOL))
    figure.add_traces(lines, rows=1, cols=2)
    _title_axes(figure, scaling)
    return figure


def _title_axes(figure: go.Figure, scaling: Scaling) -> None:
    figure.update_yaxes(type="log", minor={"showgrid": True, "gridcolor": "#f3f3f3"})
    figure.update_yaxes(title_text="processor time per solution, ms", col=1)
    applications = sorted({point.applications for point in scaling.by_applications})
    figure.update_xaxes(title_text="applications", tickvals=applications, col=1)
    cores = [point.cores for point in scaling.by_cores]
    title = f"cores ({CUT_APPLICATIONS} applications)"
    figure.update_xaxes(title_text=title, tickvals=cores, col=2)


def _lines(
    points: Sequence[ScalingPoint], x: Sequence[int], name: str, style: tuple[str, str]
) -> list[go.Scatter]:
    """The median as a line with markers, which tell all figures; the 95th percentile dotted."""
    colour, symbol = style
    median = go.Scatter(
        x=x,
        y=[point.median_ms for point in points],
        name=name,
        legendgroup=name,
        mode="lines+markers",
        line={"color": colour},
        marker={"symbol": symbol, "size": 8},
        text=[_told(point) for point in points],
        hovertemplate="%{text}<extra></extra>",
    )
    p95 = go.Scatter(
        x=x,
        y=[point.p95_ms for point in points],
        legendgroup=name,
        showlegend=False,
        mode="lines",
        line={"color": colour, "dash": "dot", "width": 1.5},
        hoverinfo="skip",
    )
    return [median, p95]


def _told(point: ScalingPoint) -> str:
    return (
        f"{escape(point.board)}, {point.applications} applications<br>median "
        f"{point.median_ms:.3g} ms, 95 % {point.p95_ms:.3g} ms, most {point.max_ms:.3g} ms<br>"
        f"{point.certified_share:.0%} certified optimal, median nodes {point.median_nodes:g}"
    )
