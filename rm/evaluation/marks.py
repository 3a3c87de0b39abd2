"""Marks that the reports' figures share: dots, spreads, links, type."""

import math
from collections.abc import Sequence
from typing import Protocol

import plotly.graph_objects as go

from rm.evaluation.figure_style import PolicyStyle, pale
from rm.evaluation.summary import Spread
from traces.report_frame import INK, QUIET


def dot(colour: str) -> dict[str, object]:
    """A small filled dot."""
    return {"color": pale(colour, 0.55), "size": 5, "symbol": "circle", "line": {"width": 0}}


def open_dot(colour: str) -> dict[str, object]:
    """A small open dot."""
    edge = {"color": colour, "width": 1.2}
    return {"color": "white", "size": 5, "symbol": "circle", "line": edge}


def seed_dots(values: Sequence[float], line: float, style: PolicyStyle) -> go.Scatter:
    """The single seeds, in a line."""
    return go.Scatter(
        x=list(values),
        y=[line] * len(values),
        mode="markers",
        marker=dot(style.colour),
        hovertemplate="one seed: %{x:.1f}<extra></extra>",
        showlegend=False,
    )


def link(mean: Spread, peak: Spread, line: float, style: PolicyStyle) -> go.Scatter:
    """A line between two markers."""
    return go.Scatter(
        x=[mean.mean, peak.mean],
        y=[line, line],
        mode="lines",
        line={"color": pale(style.colour, 0.3), "width": 2},
        hoverinfo="skip",
        showlegend=False,
    )


class _Row(Protocol):
    """Whose temperatures are marked."""

    @property
    def policy(self) -> str: ...
    @property
    def cooling(self) -> str: ...


def estimate(
    row: _Row, value: Spread, line: float, style: PolicyStyle, *, hollow: bool
) -> go.Scatter:
    """A mean temperature with its spread, or (`hollow`) a peak one."""
    marker = {"color": style.colour, "size": 10, "symbol": "circle"}
    if hollow:
        edge = {"color": style.colour, "width": 2}
        marker = {"color": "white", "size": 9, "symbol": "diamond", "line": edge}
    what = "peak" if hollow else "mean"
    sd = "" if value.sd is None else f" ± {value.sd:.2f}"
    return go.Scatter(
        x=[value.mean],
        y=[line],
        mode="markers",
        marker=marker,
        error_x=error(value, colour=style.colour),
        hovertemplate=f"{row.policy}, {row.cooling}<br>{what} {value.mean:.2f}{sd} °C"
        f" ({value.n} seeds)<extra></extra>",
        showlegend=False,
    )


def error(value: Spread, *, scale: float = 1.0, colour: str = INK) -> dict[str, object]:
    """One standard deviation to both sides; shares (`scale` 100) do not reach below zero."""
    if value.sd is None:
        return {"visible": False}
    below = min(value.sd, value.mean) if scale == 100 else value.sd
    return {
        "type": "data",
        "array": [scale * value.sd],
        "arrayminus": [scale * below],
        "symmetric": False,
        "thickness": 1.3,
        "width": 4,
        "color": colour,
    }


def label(text: str, behind: float, line: float) -> go.Scatter:
    """Type that stands right of `behind`."""
    return go.Scatter(
        x=[behind],
        y=[line],
        mode="text",
        text=[f"   {text}"],
        textposition="middle right",
        textfont={"size": 11, "color": QUIET},
        hoverinfo="skip",
        showlegend=False,
    )


def root(share: float) -> float:
    """Where a share of 0 to 1 lies on an axis that spreads out the small ones."""
    return math.sqrt(share)
