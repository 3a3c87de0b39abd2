"""The report's figures over all episodes: temperatures, misses, their trade-off, round times."""

import numpy as np
import plotly.graph_objects as go

from rm.evaluation.figure_style import (
    Panels,
    PolicyStyle,
    equally_wide,
    legend_entry,
    make_room_for_legend,
    pale,
    row_height_px,
)
from rm.evaluation.marks import dot, error, estimate, label, link, open_dot, seed_dots
from rm.evaluation.summary import Spread, missed_share
from rm.evaluation.training.compared import TrainingComparison
from rm.evaluation.training.outcome import TrainingOutcome
from rm.evaluation.training.summary import TrainingRow, missed_round_share
from traces.report_frame import INK, QUIET


def temperature_figure(data: TrainingComparison) -> go.Figure:
    """Mean and peak temperature per policy and cooling, with their spread, and the limit."""
    panels = Panels(
        data.coolings,
        height=_height(data),
        x_title="simulated temperature (°C)",
        x_ranges=_temperature_ranges(data),
    )
    for row in data.rows:
        style, line = data.styles[row.policy], data.line(row)
        group = data.groups[row.policy, row.cooling]
        temps_c = [o.mean_temp_c for o in group] + [o.peak_temp_c for o in group]
        panels.add(link(row.mean_temp_c, row.peak_temp_c, line, style), row.cooling)
        panels.add(seed_dots(temps_c, line + 0.24, style), row.cooling)
        panels.add(estimate(row, row.mean_temp_c, line, style, hollow=False), row.cooling)
        panels.add(estimate(row, row.peak_temp_c, line, style, hollow=True), row.cooling)
    for cooling, limit_c in data.limits_c.items():
        panels.add(_limit(limit_c, len(data.policies)), cooling)
    hollow = {"color": "white", "size": 9, "symbol": "diamond", "line": _edge(QUIET, 2)}
    filled = {"color": QUIET, "size": 10, "symbol": "circle"}
    first = data.coolings[0]
    panels.add(legend_entry("time mean at the sensor", filled, 1), first)
    panels.add(legend_entry("peak of the hottest node", hollow, 2), first)
    panels.add(legend_entry("one seed", dot(QUIET), 3), first)
    limit = {"color": INK, "size": 12, "symbol": "line-ns", "line": _edge(INK, 1.5)}
    panels.add(legend_entry("limit of the hottest core", limit, 4), first)
    panels.name_policies(data.policies, data.styles)
    return panels.figure


def misses_figure(data: TrainingComparison) -> go.Figure:
    """What was missed per policy and cooling: rounds, and QoS targets of the foreground."""
    panels = Panels(data.coolings, height=_height(data), x_title="missed (%)")
    for row in data.rows:
        style, line = data.styles[row.policy], data.line(row)
        group = data.groups[row.policy, row.cooling]
        rounds = [missed_round_share(outcome) for outcome in group]
        apps = [missed_share(outcome) for outcome in group]
        for value, shares, place, solid in (
            (row.missed_round_share, rounds, line - 0.19, False),
            (row.missed_share, apps, line + 0.19, True),
        ):
            panels.add(_bar(row, value, place, style, solid=solid), row.cooling)
            dots = seed_dots([100 * share for share in shares], place, style)
            panels.add(dots.update(marker=open_dot(style.colour)), row.cooling)
            behind = 100 * max(value.mean + (value.sd or 0.0), *shares)
            panels.add(label(f"{100 * value.mean:.1f}", behind, place), row.cooling)
    square = {"symbol": "square", "size": 12, "line": _edge(QUIET, 1.5)}
    first = data.coolings[0]
    panels.add(legend_entry("rounds", square | {"color": pale(QUIET, 0.25)}, 1), first)
    panels.add(legend_entry("QoS of the foreground", square | {"color": QUIET}, 2), first)
    panels.add(legend_entry("one seed", open_dot(QUIET), 3), first)
    panels.name_policies(data.policies, data.styles)
    panels.figure.update_layout(bargap=0, barmode="overlay")
    panels.figure.update_xaxes(range=[0, 118])
    return panels.figure


def tradeoff_figure(data: TrainingComparison) -> go.Figure:
    """Mean temperature against missed rounds, one marker per policy, with spreads in both."""
    panels = Panels(
        data.coolings,
        height=330,
        x_title="mean simulated temperature (°C)",
        y_title="missed rounds (%)",
        x_ranges=_temperature_ranges(data, peaks=False),
    )
    for row in data.rows:
        panels.add(_tradeoff_marker(row, data), row.cooling)
    panels.figure.update_yaxes(range=[-4, 104])
    make_room_for_legend(panels.figure, data.policies)
    return panels.figure


def round_time_figure(data: TrainingComparison) -> go.Figure:
    """The distribution of the time that rounds took, as a share of what they had."""
    panels = Panels(
        data.coolings,
        height=330,
        x_title="time of a round (% of its deadline)",
        y_title="rounds done by then (%)",
    )
    for row in data.rows:
        panels.add(_steps(row, data.groups[row.policy, row.cooling], data), row.cooling)
    panels.figure.update_xaxes(range=[0, 101])
    panels.figure.update_yaxes(range=[0, 101])
    make_room_for_legend(panels.figure, data.policies)
    return panels.figure


def _height(data: TrainingComparison) -> int:
    return 60 + row_height_px(len(data.policies)) * len(data.policies)


def _edge(colour: str, width: float) -> dict[str, object]:
    return {"color": colour, "width": width}


def _temperature_ranges(
    data: TrainingComparison, *, peaks: bool = True
) -> dict[str, tuple[float, float]]:
    """Axes for what is drawn of each row, its spread included: cold air needs another than hot."""
    ends: dict[str, tuple[float, float]] = {}
    for row in data.rows:
        drawn = [row.mean_temp_c, row.peak_temp_c] if peaks else [row.mean_temp_c]
        values = [v.mean + sign * (v.sd or 0.0) for v in drawn for sign in (-2, 2)]
        values += [row.limit_c] if peaks else []
        low, high = ends.get(row.cooling, (values[0], values[0]))
        ends[row.cooling] = min(low, *values), max(high, *values)
    return equally_wide(ends)


def _limit(limit_c: float, lines: int) -> go.Scatter:
    return go.Scatter(
        x=[limit_c, limit_c],
        y=[-0.5, lines - 0.5],
        mode="lines",
        line={"color": INK, "width": 1.2, "dash": "dot"},
        hovertemplate=f"limit {limit_c:.1f} °C<extra></extra>",
        showlegend=False,
    )


def _bar(
    row: TrainingRow, value: Spread, line: float, style: PolicyStyle, *, solid: bool
) -> go.Bar:
    what = (
        f"QoS misses: {row.missed} of {row.applications} applications"
        if solid
        else f"missed rounds: {row.missed_rounds} of {row.rounds}"
    )
    return go.Bar(
        x=[100 * value.mean],
        y=[line],
        width=0.34,
        orientation="h",
        marker={
            "color": style.colour if solid else pale(style.colour, 0.25),
            "line": _edge(style.colour, 1.2),
        },
        error_x=error(value, scale=100),
        hovertemplate=f"{row.policy}, {row.cooling}<br>{what}<extra></extra>",
        showlegend=False,
    )


def _tradeoff_marker(row: TrainingRow, data: TrainingComparison) -> go.Scatter:
    style = data.styles[row.policy]
    return go.Scatter(
        x=[row.mean_temp_c.mean],
        y=[100 * row.missed_round_share.mean],
        mode="markers",
        name=row.policy,
        legendgroup=row.policy,
        legendrank=data.line(row) + 1,
        showlegend=data.introduces(row),
        marker={"color": style.colour, "size": 12, "symbol": style.symbol},
        error_x=error(row.mean_temp_c, colour=style.colour),
        error_y=error(row.missed_round_share, scale=100, colour=style.colour),
        hovertemplate=f"{row.policy}, {row.cooling}<br>%{{x:.1f}} °C, "
        f"%{{y:.1f}} % of the rounds missed<extra></extra>",
    )


def _steps(
    row: TrainingRow, group: tuple[TrainingOutcome, ...], data: TrainingComparison
) -> go.Scatter:
    """An empirical distribution function of the rounds that were met, over all rounds."""
    style = data.styles[row.policy]
    rounds = [item for outcome in group for item in outcome.rounds]
    met = [r.time_s / (r.deadline_s - r.start_s) for r in rounds if not r.missed]
    shares = np.sort(np.asarray(met, dtype=float))
    percent = 100 * np.arange(1, shares.size + 1) / len(rounds)
    return go.Scatter(
        x=np.concatenate(([0.0], 100 * shares, [100.0])),
        y=np.concatenate(([0.0], percent, percent[-1:] if percent.size else [0.0])),
        mode="lines",
        line={"color": style.colour, "width": 2, "dash": style.dash, "shape": "hv"},
        name=row.policy,
        legendgroup=row.policy,
        legendrank=data.line(row) + 1,
        showlegend=data.introduces(row),
        hovertemplate=f"{row.policy}: %{{y:.0f}} % done by %{{x:.0f}} %<extra></extra>",
    )
