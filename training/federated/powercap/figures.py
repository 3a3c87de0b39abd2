"""The study's figures: regret, gain against the cap, and the curves behind both."""

import math
import statistics
from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from traces.calibration.report_page import COLOURS, template
from traces.report_frame import INK, QUIET
from training.federated.powercap.chosen import CAPPING, PLANNER
from training.federated.powercap.counting import Counted
from training.federated.powercap.document import (
    MEDIAN_LIMIT,
    PAPER_GAIN,
    TAIL_LIMIT,
    Document,
    Group,
    members,
)
from training.federated.powercap.grid import Cell

_SYMBOLS = ("circle", "square", "diamond", "triangle-up")
_DASHES = ("solid", "dash", "dot", "dashdot")
_LEGEND = {"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"}


def regret_figure(document: Document) -> go.Figure:
    """What share of a board's cells has at most so much regret."""
    figure = go.Figure()
    for number, board in enumerate(_boards(document)):
        group = Group(board=board, rule=None)
        found = [cell.regret(PLANNER) for cell in members(group, document.cells)]
        values = sorted(100 * one for one in found if one is not None and one < math.inf)
        figure.add_trace(
            go.Scatter(
                x=values,
                y=[(i + 1) / len(found) for i in range(len(values))],
                mode="lines",
                line={"color": COLOURS[number], "shape": "hv", "dash": _DASHES[number % 4]},
                name=board,
                hovertemplate="%{y:.0%} of cells: at most %{x:.1f} %<extra></extra>",
            )
        )
    limits = [(100 * MEDIAN_LIMIT, 0.5), (100 * TAIL_LIMIT, 0.95)]
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in limits],
            y=[y for _, y in limits],
            mode="markers",
            marker={"color": INK, "symbol": "x", "size": 9},
            name="limits: pass to their left",
            hovertemplate="%{y:.0%} of cells at most %{x:.0f} %<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="time to accuracy above the optimum's (%)")
    figure.update_yaxes(title_text="share of cells", tickformat=".0%", range=[0, 1.03])
    figure.update_layout(template=template(), height=360, legend=_LEGEND)
    return figure


def gain_figure(document: Document) -> go.Figure:
    """How many times as long frequency capping takes, by board, rule and cap."""
    boards = _boards(document)
    figure = make_subplots(
        rows=1, cols=len(boards), subplot_titles=boards, shared_yaxes=True, horizontal_spacing=0.03
    )
    for column, board in enumerate(boards, start=1):
        for number, rule in enumerate(document.counted):
            cells = members(Group(board=board, rule=rule.rule), document.cells)
            points = _by_cap(cells, document.cap_shares)
            figure.add_trace(
                go.Scatter(
                    x=[100 * share for share, _ in points],
                    y=[gain for _, gain in points],
                    mode="lines+markers",
                    line={"color": COLOURS[number], "dash": _DASHES[number % 4], "width": 1.5},
                    marker={"symbol": _SYMBOLS[number % 4], "size": 6},
                    name=rule.rule,
                    legendgroup=rule.rule,
                    showlegend=column == 1,
                    hovertemplate="%{y:.2f} times at a cap of %{x:.0f} %<extra></extra>",
                ),
                row=1,
                col=column,
            )
        for gain in PAPER_GAIN:
            figure.add_hline(
                y=gain, line={"color": QUIET, "dash": "dot", "width": 1}, row=1, col=column
            )
        figure.update_xaxes(title_text="cap (% of the way to the top)", row=1, col=column)
    figure.update_yaxes(title_text="capping / planner (times)", type="log", col=1)
    figure.update_yaxes(type="log", dtick="D1")
    figure.update_layout(
        template=template(), height=400, margin={"t": 70}, legend={**_LEGEND, "xref": "container"}
    )
    return figure


def curve_figure(counted: Sequence[Counted]) -> go.Figure:
    """Samples to the goal by batch: proxy and target, means and their standard errors."""
    rules = [rule.rule for rule in counted]
    figure = make_subplots(
        rows=1, cols=len(rules), subplot_titles=rules, shared_yaxes=True, horizontal_spacing=0.03
    )
    for column, rule in enumerate(counted, start=1):
        halves = (("proxy", rule.proxy), ("target", rule.target))
        for number, (name, counts) in enumerate(halves):
            known = {x: values for x, values in sorted(counts.items()) if max(values) < math.inf}
            figure.add_trace(
                go.Scatter(
                    x=list(known),
                    y=[statistics.mean(values) for values in known.values()],
                    error_y={"type": "data", "array": [_error(one) for one in known.values()]},
                    mode="lines+markers",
                    line={"color": COLOURS[number], "dash": _DASHES[number]},
                    marker={"symbol": _SYMBOLS[number], "size": 7},
                    name=name,
                    legendgroup=name,
                    showlegend=column == 1,
                    hovertemplate=f"{name}: %{{y:.0f}} samples with batch %{{x}}<extra></extra>",
                ),
                row=1,
                col=column,
            )
        ticks = sorted(rule.rates)
        figure.update_xaxes(
            title_text="batch", type="log", tickvals=ticks, ticktext=ticks, row=1, col=column
        )
    figure.update_yaxes(title_text="samples to 95 %", type="log", col=1)
    figure.update_yaxes(type="log", dtick="D2")
    figure.update_layout(
        template=template(), height=380, margin={"t": 70}, legend={**_LEGEND, "xref": "container"}
    )
    return figure


def _boards(document: Document) -> list[str]:
    return list(dict.fromkeys(cell.board for cell in document.cells))


def _by_cap(cells: Sequence[Cell], shares: Sequence[float]) -> list[tuple[float, float]]:
    """At every cap the geometric mean over networks; none where capping has no mode."""
    points = []
    for share in shares:
        gains = []
        for cell in cells:
            ours, theirs = cell.taken[PLANNER], cell.taken[CAPPING]
            if cell.cap_share == share and ours and theirs and theirs.mean_s < math.inf:
                gains.append(theirs.mean_s / ours.mean_s)
        if gains:
            points.append((share, statistics.geometric_mean(gains)))
    return points


def _error(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
