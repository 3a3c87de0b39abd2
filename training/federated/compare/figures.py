"""The comparison's figures: what a scene's accuracy costs, and all systems at a glance."""

import math
from collections.abc import Callable, Iterable, Sequence

import plotly.graph_objects as go
from msgspec import Struct
from plotly.subplots import make_subplots

from rm.evaluation.summary import Interval
from traces.calibration.report_page import COLOURS, template
from traces.report_frame import GRID, INK, QUIET
from training.federated.compare.document import Cheapest, Compared, Headline
from training.federated.compare.protocols import RESOURCES, Scene
from training.federated.study import Outcome, Point

_DASHES = ("solid", "dash", "dot", "dashdot")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x")
_AXES = {
    "time": "virtual time (s)",
    "bytes": "bytes up and down",
    "energy": "energy of all devices (J)",
    "flops": "FLOPs of all devices",
}
_COLOUR_OF = dict(zip(RESOURCES, COLOURS, strict=False))
_MEMORY, _LOSSES = (2, 2), (2, 3)
_PLACES = dict(zip(RESOURCES, ((1, 1), (1, 2), (1, 3), (2, 1)), strict=True))
_LINE_PX = 34


class Look(Struct, frozen=True):
    """What tells a contestant from the others."""

    colour: str
    dash: str
    symbol: str


def looks(names: Sequence[str]) -> dict[str, Look]:
    """A look for each contestant, by its place."""
    return {
        name: Look(
            COLOURS[i % len(COLOURS)],
            _DASHES[(i // len(COLOURS)) % len(_DASHES)],
            _SYMBOLS[i % len(_SYMBOLS)],
        )
        for i, name in enumerate(names)
    }


def scene_figure(scene: Scene, runs: dict[str, Sequence[Outcome]]) -> go.Figure:
    """Accuracy against time, bytes, energy, FLOPs and memory, and accuracy with losses.

    `runs` are the final outcomes of each contestant.
    """
    figure = make_subplots(rows=2, cols=3, horizontal_spacing=0.07, vertical_spacing=0.17)
    styles = looks(list(runs))
    for name, outcomes in runs.items():
        for resource, (row, column) in _PLACES.items():
            first = resource == next(iter(_PLACES))
            for trace in _courses(name, outcomes, RESOURCES[resource], styles[name], named=first):
                figure.add_trace(trace, row=row, col=column)
    for one in scene.summary:
        marker = _marker(styles[one.contestant], one.accuracy, x=one.peak_bytes)
        figure.add_trace(marker, row=_MEMORY[0], col=_MEMORY[1])
    for trace in _losses(scene, styles):
        figure.add_trace(trace, row=_LOSSES[0], col=_LOSSES[1])
    _label(figure, scene)
    legend_px = 22 * math.ceil(sum(60 + 7 * len(name) for name in runs) / 940)
    figure.update_layout(
        template=template(),
        height=600 + legend_px,
        margin={"l": 60, "r": 30, "t": 30 + legend_px, "b": 55},
        legend={"orientation": "h", "x": 0, "y": 1, "yref": "container", "yanchor": "top"},
    )
    return figure


def _label(figure: go.Figure, scene: Scene) -> None:
    figure.update_yaxes(title_text="test accuracy (%)", col=1)
    for resource, (row, column) in _PLACES.items():
        figure.update_xaxes(title_text=_AXES[resource], tickformat="~s", row=row, col=column)
        figure.add_hline(
            y=100 * scene.target,
            line={"color": QUIET, "dash": "dot", "width": 1},
            row=row,
            col=column,
        )
    row, column = _MEMORY
    figure.update_xaxes(
        title_text="peak memory of a device (B)",
        tickformat="~s",
        rangemode="tozero",
        row=row,
        col=column,
    )
    row, column = _LOSSES
    figure.update_xaxes(title_text="accuracy at the end (%)", row=row, col=column)
    figure.update_yaxes(title_text="with lost devices (%)", row=row, col=column)


def _courses(
    name: str,
    outcomes: Sequence[Outcome],
    spent: Callable[[Point], float],
    look: Look,
    *,
    named: bool,
) -> Iterable[go.Scatter]:
    """The seeds as thin lines, and the mean over them, round by round, as a thick one."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    for outcome in outcomes:
        xs += [*(spent(point) for point in outcome.points), None]
        ys += [*(100 * point.test for point in outcome.points), None]
    yield go.Scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"color": look.colour, "width": 0.8},
        opacity=0.3,
        legendgroup=name,
        showlegend=False,
        hoverinfo="skip",
    )
    rounds = list(zip(*(outcome.points for outcome in outcomes), strict=True))
    yield go.Scatter(
        x=[_mean(spent(point) for point in points) for points in rounds],
        y=[_mean(100 * point.test for point in points) for points in rounds],
        mode="lines",
        line={"color": look.colour, "width": 2.2, "dash": look.dash},
        name=name,
        legendgroup=name,
        showlegend=named,
        hovertemplate=f"{name}: %{{y:.1f}} % at %{{x:.3s}}<extra></extra>",
    )


def _marker(look: Look, accuracy: Interval, *, x: float) -> go.Scatter:
    half = 0.0 if accuracy.high is None else 100 * (accuracy.high - accuracy.mean)
    return go.Scatter(
        x=[x],
        y=[100 * accuracy.mean],
        error_y={"type": "data", "array": [half], "thickness": 1.2, "width": 4},
        mode="markers",
        marker={"color": look.colour, "symbol": look.symbol, "size": 9},
        showlegend=False,
        hovertemplate="%{y:.1f} % with %{x:.3s}B<extra></extra>",
    )


def _losses(scene: Scene, styles: dict[str, Look]) -> Iterable[go.Scatter]:
    """Each contestant without losses against the same seeds with them, and the line of equals."""
    pairs = [
        (one.contestant, 100 * (one.accuracy.mean - one.change.mean), 100 * one.accuracy.mean)
        for one in scene.robustness
    ]
    ends = [value for _, *both in pairs for value in both]
    yield go.Scatter(
        x=[min(ends), max(ends)],
        y=[min(ends), max(ends)],
        mode="lines",
        line={"color": GRID, "width": 2},
        showlegend=False,
        hoverinfo="skip",
    )
    for name, without, with_ in pairs:
        look = styles[name]
        yield go.Scatter(
            x=[without],
            y=[with_],
            mode="markers",
            marker={"color": look.colour, "symbol": look.symbol, "size": 9},
            showlegend=False,
            hovertemplate=f"{name}: %{{x:.1f}} → %{{y:.1f}} %<extra></extra>",
        )


def runs_of(compared: Compared, scene: Scene) -> dict[str, Sequence[Outcome]]:
    """The final outcomes of a scene's contestants.

    Outcomes stand in the order of contestants, seed by seed; so do the tuned ones.
    """
    final = [outcome for outcome in compared.outcomes if outcome.cell.stage == "final"]
    each = len(final) // len(compared.tuned)
    parts = [final[i * each : (i + 1) * each] for i in range(len(compared.tuned))]
    return {
        tuned.contestant: part
        for tuned, part in zip(compared.tuned, parts, strict=True)
        if tuned.scene == scene.name
    }


def overview_figure(lines: Sequence[Headline]) -> go.Figure:
    """Every system's accuracy less that of its strongest baseline, and how much cheaper it is."""
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.03)
    names = [f"<b>{line.system}</b>, {line.scene}" for line in lines]
    figure.add_trace(_differences(lines), row=1, col=1)
    for number, resource in enumerate(RESOURCES):
        ratios = [_ratio(line, resource) for line in lines]
        figure.add_trace(_ratios(ratios, resource, number), row=1, col=2)
    for column, equal in ((1, 0.0), (2, 1.0)):
        figure.add_vline(x=equal, line={"color": INK, "width": 1}, row=1, col=column)
    figure.update_yaxes(
        tickvals=list(range(len(lines))),
        ticktext=names,
        range=[len(lines) - 0.5, -0.5],
        showgrid=False,
        ticks="",
    )
    figure.update_xaxes(title_text="accuracy − best baseline (points)", row=1, col=1)
    figure.update_xaxes(
        title_text="cost to target: cheapest baseline / system", type="log", row=1, col=2
    )
    figure.update_layout(
        template=template(),
        height=120 + _LINE_PX * max(len(lines), 3),
        legend={"orientation": "h", "x": 0.5, "y": 1, "yref": "container", "yanchor": "top"},
    )
    return figure


def _differences(lines: Sequence[Headline]) -> go.Scatter:
    shown = [(i, line.difference) for i, line in enumerate(lines) if line.difference is not None]
    means = [100 * value.mean for _, value in shown]
    halves = [100 * _above(value) for _, value in shown]
    return go.Scatter(
        x=means,
        y=[i for i, _ in shown],
        error_x={"type": "data", "array": halves, "thickness": 1.4, "width": 5},
        mode="markers",
        marker={"color": INK, "size": 9},
        name="accuracy",
        showlegend=False,
        hovertemplate="%{x:+.1f} points<extra></extra>",
    )


def _above(value: Interval) -> float:
    """How far an interval reaches above its mean; 0 where there is none.

    >>> _above(Interval(mean=-0.5, low=-1.0, high=0.0, n=3))
    0.5
    """
    return 0.0 if value.high is None else value.high - value.mean


def _below(value: Interval) -> float:
    """How far it reaches below."""
    return 0.0 if value.low is None else value.mean - value.low


def _ratio(line: Headline, resource: str) -> Interval | None:
    found: Cheapest = next(one for one in line.cheapest if one.resource == resource)
    return found.ratio


def _ratios(values: Sequence[Interval | None], resource: str, number: int) -> go.Scatter:
    known = [(i, value) for i, value in enumerate(values) if value is not None]
    offset = 0.16 * (number - 1.5)
    return go.Scatter(
        x=[value.mean for _, value in known],
        y=[i + offset for i, _ in known],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_above(value) for _, value in known],
            "arrayminus": [_below(value) for _, value in known],
            "thickness": 1.2,
            "width": 3,
        },
        mode="markers",
        marker={"color": _COLOUR_OF[resource], "symbol": _SYMBOLS[number], "size": 8},
        name=resource,
        hovertemplate=f"{resource}: %{{x:.2f}}×<extra></extra>",
    )


def _mean(values: Iterable[float]) -> float:
    all_ = list(values)
    return math.fsum(all_) / len(all_)
