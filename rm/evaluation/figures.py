"""The report's figures over all episodes: temperatures, misses, their trade-off, achieved rates."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from rm.evaluation.figure_style import (
    Panels,
    PolicyStyle,
    equally_wide,
    legend_entry,
    make_room_for_legend,
    pale,
    policy_styles,
    row_height_px,
)
from rm.evaluation.marks import dot, error, estimate, label, link, open_dot, root, seed_dots
from rm.evaluation.outcome import MISS_BELOW, EpisodeOutcome
from rm.evaluation.regret import regrets
from rm.evaluation.summary import (
    Spread,
    SummaryRow,
    grouped,
    missed_attainable_share,
    missed_share,
    summarise,
)
from traces.report_frame import INK, QUIET

_MOST_STEPS = 400
_WIDEST_RATIO = 3.0
_PERCENT_TICKS = (0, 1, 5, 10, 20, 50, 100)
_FINE_PERCENT_TICKS = (0, 0.2, 1, 2, 5, 10, 20)


class Comparison:
    """Everything that the figures draw, worked out once: summary, order and style of policies."""

    def __init__(self, outcomes: Sequence[EpisodeOutcome]):
        self.rows = summarise(outcomes)
        self.groups = grouped(outcomes)
        self.coolings = tuple(dict.fromkeys(outcome.cooling for outcome in outcomes))
        self.policies = _coolest_first(self.rows)
        self.styles: Mapping[str, PolicyStyle] = policy_styles(self.policies)
        self.regrets = regrets(outcomes)

    def line(self, row: SummaryRow) -> int:
        """The number of a row's policy from the top, where figures have a line per policy."""
        return self.policies.index(row.policy)

    def introduces(self, row: SummaryRow) -> bool:
        """Whether `row` is the first of its policy, the one that puts it into a legend."""
        return row is next(other for other in self.rows if other.policy == row.policy)


def temperature_figure(data: Comparison) -> go.Figure:
    """Mean and peak temperature per policy and cooling, with their spread over seeds."""
    height = 60 + row_height_px(len(data.policies)) * len(data.policies)
    panels = Panels(
        data.coolings,
        height=height,
        x_title="simulated temperature (°C)",
        x_ranges=_temperature_ranges(data, lambda row: (row.mean_temp_c, row.peak_temp_c)),
    )
    for row in data.rows:
        style = data.styles[row.policy]
        line = data.line(row)
        means = [outcome.mean_temp_c for outcome in data.groups[row.policy, row.cooling]]
        peaks = [outcome.peak_temp_c for outcome in data.groups[row.policy, row.cooling]]
        panels.add(link(row.mean_temp_c, row.peak_temp_c, line, style), row.cooling)
        panels.add(seed_dots(means + peaks, line + 0.24, style), row.cooling)
        panels.add(estimate(row, row.mean_temp_c, line, style, hollow=False), row.cooling)
        panels.add(estimate(row, row.peak_temp_c, line, style, hollow=True), row.cooling)
    filled = {"color": QUIET, "size": 10, "symbol": "circle"}
    hollow = {
        "color": "white",
        "size": 9,
        "symbol": "diamond",
        "line": {"color": QUIET, "width": 2},
    }
    panels.add(legend_entry("time mean at the sensor", filled, 1), data.coolings[0])
    panels.add(legend_entry("peak of the hottest node", hollow, 2), data.coolings[0])
    panels.add(legend_entry("one seed", dot(QUIET), 3), data.coolings[0])
    panels.name_policies(data.policies, data.styles)
    return panels.figure


def misses_figure(data: Comparison) -> go.Figure:
    """QoS misses per policy and cooling: all of them, and those of attainable targets."""
    height = 60 + row_height_px(len(data.policies)) * len(data.policies)
    panels = Panels(data.coolings, height=height, x_title="applications that missed (% of all)")
    for row in data.rows:
        group = data.groups[row.policy, row.cooling]
        line = data.line(row)
        for trace in _misses(
            row, row.missed_share, list(map(missed_share, group)), data, line - 0.19
        ):
            panels.add(trace, row.cooling)
        attainable = list(map(missed_attainable_share, group))
        known = [share for share in attainable if share is not None]
        for trace in _misses(row, row.missed_attainable_share, known, data, line + 0.19):
            panels.add(trace, row.cooling)
    square = {"symbol": "square", "size": 12, "line": {"color": QUIET, "width": 1.5}}
    all_misses = square | {"color": pale(QUIET, 0.25)}
    panels.add(legend_entry("all misses", all_misses, 1), data.coolings[0])
    attainable_misses = square | {"color": QUIET}
    panels.add(legend_entry("misses of attainable targets", attainable_misses, 2), data.coolings[0])
    panels.add(legend_entry("one seed", open_dot(QUIET), 3), data.coolings[0])
    panels.name_policies(data.policies, data.styles)
    panels.figure.update_layout(bargap=0, barmode="overlay")
    panels.figure.update_xaxes(range=[0, 1.12 * _highest_percent(data)])
    return panels.figure


def tradeoff_figure(data: Comparison) -> go.Figure:
    """Mean temperature against QoS misses, one marker per policy, with spreads in both."""
    panels = Panels(
        data.coolings,
        height=330,
        x_title="mean simulated temperature (°C)",
        y_title="QoS misses (% of applications,<br>square-root scale)",
        x_ranges=_temperature_ranges(data, lambda row: (row.mean_temp_c,)),
    )
    for row in data.rows:
        style = data.styles[row.policy]
        group = data.groups[row.policy, row.cooling]
        dots = go.Scatter(
            x=[outcome.mean_temp_c for outcome in group],
            y=[root(missed_share(outcome)) for outcome in group],
            mode="markers",
            marker=dot(style.colour),
            hoverinfo="skip",
            showlegend=False,
        )
        panels.add(dots, row.cooling)
        panels.add(_tradeoff_marker(row, style, data), row.cooling)
    highest = root(_highest_percent(data) / 100)
    ticks = _FINE_PERCENT_TICKS if highest < root(0.25) else _PERCENT_TICKS
    panels.figure.update_yaxes(
        range=[-0.05 * highest, 1.05 * highest],
        tickvals=[root(percent / 100) for percent in ticks],
        ticktext=[str(percent) for percent in ticks],
    )
    make_room_for_legend(panels.figure, data.policies)
    return panels.figure


def ratio_figure(data: Comparison) -> go.Figure:
    """The distribution of achieved over target rate of all applications, per policy and cooling."""
    panels = Panels(
        data.coolings,
        height=330,
        x_title="achieved rate / target",
        y_title="applications at or below (%)",
    )
    widest = MISS_BELOW
    for row in data.rows:
        ratios = _ratios(data.groups[row.policy, row.cooling])
        if ratios.size:
            widest = max(widest, float(np.quantile(ratios, 0.98)))
            panels.add(_steps(row, ratios, data), row.cooling)
    panels.figure.add_vline(x=MISS_BELOW, line={"color": INK, "width": 1, "dash": "dot"})
    panels.figure.add_annotation(
        text="← miss",
        xref="x",
        yref="y domain",
        x=MISS_BELOW,
        y=0.05,
        xanchor="right",
        xshift=-4,
        showarrow=False,
        font={"size": 12, "color": QUIET},
    )
    panels.figure.update_xaxes(range=[0, min(1.05 * max(widest, 1.2), _WIDEST_RATIO)])
    panels.figure.update_yaxes(range=[0, 101])
    make_room_for_legend(panels.figure, data.policies)
    return panels.figure


def _coolest_first(rows: Sequence[SummaryRow]) -> tuple[str, ...]:
    temps_c: dict[str, list[float]] = {}
    for row in rows:
        temps_c.setdefault(row.policy, []).append(row.mean_temp_c.mean)
    return tuple(sorted(temps_c, key=lambda policy: (np.mean(temps_c[policy]), policy)))


def _temperature_ranges(
    data: Comparison, drawn: Callable[[SummaryRow], Sequence[Spread]]
) -> dict[str, tuple[float, float]]:
    """Axes for what is drawn of each row, its spread included: cold air needs another than hot."""
    ends: dict[str, tuple[float, float]] = {}
    for row in data.rows:
        low, high = ends.get(row.cooling, (math.inf, -math.inf))
        for value in drawn(row):
            low = min(low, value.mean - 2 * (value.sd or 0.0))
            high = max(high, value.mean + 2 * (value.sd or 0.0))
        ends[row.cooling] = low, high
    return equally_wide(ends)


def _misses(
    row: SummaryRow, value: Spread | None, shares: Sequence[float], data: Comparison, line: float
) -> Iterator[go.Bar | go.Scatter]:
    """A bar of misses with its spread, the single seeds and the number in type."""
    if value is None:
        yield label("not known without the oracle", 0.0, line)
        return
    style = data.styles[row.policy]
    yield _bar(row, value, line, style, solid=line > data.line(row))
    dots = seed_dots([100 * share for share in shares], line, style)
    yield dots.update(marker=open_dot(style.colour))
    yield label(_percent(value), 100 * max(value.mean + (value.sd or 0.0), *shares), line)


def _bar(row: SummaryRow, value: Spread, line: float, style: PolicyStyle, *, solid: bool) -> go.Bar:
    what = "misses of attainable targets" if solid else "all misses"
    count = row.missed_attainable if solid else row.missed
    return go.Bar(
        x=[100 * value.mean],
        y=[line],
        width=0.34,
        orientation="h",
        marker={
            "color": style.colour if solid else pale(style.colour, 0.25),
            "line": {"color": style.colour, "width": 1.2},
        },
        error_x=error(value, scale=100),
        hovertemplate=f"{row.policy}, {row.cooling}<br>{what}: {100 * value.mean:.1f} %"
        f" ({count} of {row.applications} applications)<extra></extra>",
        showlegend=False,
    )


def _tradeoff_marker(row: SummaryRow, style: PolicyStyle, data: Comparison) -> go.Scatter:
    return go.Scatter(
        x=[row.mean_temp_c.mean],
        y=[root(row.missed_share.mean)],
        mode="markers",
        name=row.policy,
        legendgroup=row.policy,
        legendrank=data.line(row) + 1,
        showlegend=data.introduces(row),
        marker={"color": style.colour, "size": 12, "symbol": style.symbol},
        error_x=error(row.mean_temp_c, colour=style.colour),
        error_y=_root_error(row.missed_share, style.colour),
        hovertemplate=f"{row.policy}, {row.cooling}<br>%{{x:.1f}} °C, "
        f"{_percent(row.missed_share)} % missed<extra></extra>",
    )


def _percent(share: Spread) -> str:
    return f"{100 * share.mean:.1f}"


def _root_error(share: Spread, colour: str) -> dict[str, object]:
    if share.sd is None:
        return {"visible": False}
    middle = root(share.mean)
    above = root(share.mean + share.sd) - middle
    below = middle - root(max(share.mean - share.sd, 0.0))
    return error(Spread(middle, above, share.n), colour=colour) | {"arrayminus": [below]}


def _highest_percent(data: Comparison) -> float:
    tops = [row.missed_share.mean + (row.missed_share.sd or 0.0) for row in data.rows]
    seeds = [missed_share(outcome) for group in data.groups.values() for outcome in group]
    return float(min(max(5.0, 106.0 * max(*tops, *seeds)), 103.0))


def _ratios(group: Sequence[EpisodeOutcome]) -> np.ndarray:
    """Achieved over target rate of all applications, ascending."""
    apps = [app for o in group for app in o.applications if app.target_ips > 0]
    found = [app.achieved_ips / app.target_ips for app in apps]
    return np.sort(np.asarray(found, dtype=float))


def _steps(row: SummaryRow, ratios: np.ndarray, data: Comparison) -> go.Scatter:
    """An empirical distribution function; past `_MOST_STEPS` applications by its quantiles."""
    style = data.styles[row.policy]
    percent = 100 * np.arange(1, ratios.size + 1) / ratios.size
    if ratios.size > _MOST_STEPS:
        percent = np.linspace(100 / _MOST_STEPS, 100, _MOST_STEPS)
        ratios = np.quantile(ratios, percent / 100, method="inverted_cdf")
    return go.Scatter(
        x=np.concatenate((ratios[:1], ratios)),
        y=np.concatenate(([0.0], percent)),
        mode="lines",
        line={"color": style.colour, "width": 2, "dash": style.dash, "shape": "hv"},
        name=row.policy,
        legendgroup=row.policy,
        legendrank=data.line(row) + 1,
        showlegend=data.introduces(row),
        hovertemplate=f"{row.policy}: %{{y:.0f}} % at or below %{{x:.2f}}<extra></extra>",
    )
