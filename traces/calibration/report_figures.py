"""The figures of the calibration's report: measured against modelled, and what is left over."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from traces.calibration.cluster_study import ClusterStudy
from traces.calibration.heat_study import HeatStudy, root_mean_square
from traces.calibration.report_page import COLOURS, template
from traces.report_frame import GRID, INK

Vector = NDArray[np.float64]

_PAIR_PX = 400
_PANEL_PX = 165
_COLUMNS = 3
_MEASURED, _MODELLED = "#777777", "#D55E00"


def pair_figure(
    measured: Vector,
    modelled: Vector,
    *,
    left: Vector,
    against: Vector,
    labels: Sequence[str],
    groups: Sequence[str],
    titles: tuple[str, str, str, str],
    logarithmic: bool = True,
) -> go.Figure:
    """Modelled over measured beside what is left over against something.

    `groups` gives every point its colour; `titles` are those of the four axes, x before y.
    """
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    order = np.asarray(groups, object)
    for number, name in enumerate(dict.fromkeys(groups)):
        own = order == name
        texts = [label for label, is_own in zip(labels, own, strict=True) if is_own]
        for column, (x, y) in enumerate(((measured, modelled), (against, left)), start=1):
            figure.add_trace(
                go.Scatter(
                    x=_short(x[own]),
                    y=_short(y[own]),
                    mode="markers",
                    name=name,
                    legendgroup=name,
                    showlegend=column == 1,
                    text=texts,
                    marker={
                        "color": COLOURS[number % len(COLOURS)],
                        "size": 5,
                        "opacity": 0.65,
                    },
                    hovertemplate="%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
                ),
                row=1,
                col=column,
            )
    ends = [min(measured.min(), modelled.min()), max(measured.max(), modelled.max())]
    line = {"color": INK, "width": 1, "dash": "dot"}
    figure.add_trace(
        go.Scatter(x=ends, y=ends, mode="lines", line=line, showlegend=False, hoverinfo="skip"),
        row=1,
        col=1,
    )
    figure.add_hline(y=0, line=line, row=1, col=2)
    figure.update_layout(
        template=template(),
        height=_PAIR_PX,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )
    for column in (1, 2):
        figure.update_xaxes(title_text=titles[2 * column - 2], row=1, col=column)
        figure.update_yaxes(title_text=titles[2 * column - 1], row=1, col=column)
    if logarithmic:
        figure.update_xaxes(type="log", row=1, col=1)
        figure.update_yaxes(type="log", row=1, col=1)
    return figure


def speed_figure(study: ClusterStudy) -> go.Figure:
    """Time per instruction at clocks that were held out."""
    rows = [
        (seen, seen * (1 + error), error, hz, one.program.name, one.program.instances)
        for one in study.speeds.programs
        for seen, error, hz in zip(
            one.program.speeds.s_per_instruction,
            one.by_clock,
            one.program.speeds.freq_hz,
            strict=True,
        )
    ]
    seen, told, error, hz, names, count = zip(*rows, strict=True)
    mhz = np.array(hz) / 1e6
    return pair_figure(
        np.array(seen) * 1e9,
        np.array(told) * 1e9,
        left=np.array(error) * 100,
        against=mhz,
        labels=[f"{name}, {at:g} MHz" for name, at in zip(names, mhz, strict=True)],
        groups=[f"{n} running" for n in count],
        titles=(
            "measured (ns per instruction)",
            "modelled without that clock (ns)",
            "clock (MHz)",
            "modelled − measured (%)",
        ),
    )


def power_figure(study: ClusterStudy) -> go.Figure:
    """Power of programs that were held out; needs `study.power`."""
    assert study.power is not None
    power = study.power.study
    samples = power.samples
    mhz = samples.freq_hz / 1e6
    names = [f"{n} x{i}" for n, i in zip(samples.group, power.instances, strict=True)]
    return pair_figure(
        samples.power_w,
        samples.power_w * (1 + power.errors),
        left=power.errors * 100,
        against=mhz,
        labels=[f"{name}, {at:g} MHz" for name, at in zip(names, mhz, strict=True)],
        groups=[f"{n} running" for n in power.instances],
        titles=(
            "measured (W)",
            "modelled without that program (W)",
            "clock (MHz)",
            "modelled − measured (%)",
        ),
    )


def steady_figure(heat: HeatStudy) -> go.Figure:
    """Steady temperatures of workloads that were held out, mean of the sensors."""
    read, left, power, labels, groups = [], [], [], [], []
    for run in heat.runs(settled=True):
        over = heat.left[run.name]
        known = np.isfinite(over).any(axis=0)
        read.append(run.temp_c[:, known].mean(axis=1))
        left.append(over[:, known].mean(axis=1))
        power.append(run.core_w.sum(axis=1) + run.shared_w)
        labels += [f"{run.application}, {watt:.2f} W" for watt in power[-1]]
        groups += [run.cooling] * len(over)
    measured, over = np.concatenate(read), np.concatenate(left)
    return pair_figure(
        measured,
        measured - over,
        left=-over,
        against=np.concatenate(power),
        labels=labels,
        groups=groups,
        titles=(
            "measured (°C)",
            "modelled without that workload (°C)",
            "power of all clusters (W)",
            "modelled − measured (K)",
        ),
        logarithmic=False,
    )


def transient_figure(heat: HeatStudy) -> go.Figure:
    """Every run that was sampled, measured and modelled without its workload."""
    runs = heat.runs(settled=False)
    rows = -(-len(runs) // _COLUMNS)
    figure = make_subplots(
        rows=rows,
        cols=_COLUMNS,
        subplot_titles=[_panel_title(heat, run.name) for run in runs],
        horizontal_spacing=0.05,
        vertical_spacing=0.42 / rows if rows > 1 else 0.0,
    )
    for number, run in enumerate(runs):
        place = {"row": number // _COLUMNS + 1, "col": number % _COLUMNS + 1}
        for column, sensor in enumerate(heat.data.sensors):
            known = np.isfinite(run.temp_c[:, column])
            if not known.any():
                continue
            time_s, read = run.time_s[known], run.temp_c[known, column]
            told = read - heat.left[run.name][known, column]
            first = number == 0
            figure.add_trace(_line(time_s, read, f"{sensor}, measured", _MEASURED, first), **place)
            figure.add_trace(_line(time_s, told, f"{sensor}, modelled", _MODELLED, first), **place)
    figure.update_layout(
        template=template(),
        height=_PANEL_PX * rows + 100,
        legend={"orientation": "h", "x": 0, "y": 1 + 55 / (_PANEL_PX * rows), "yanchor": "bottom"},
        margin={"t": 80},
    )
    figure.update_annotations(font_size=11)
    figure.update_xaxes(tickfont_size=10, gridcolor=GRID)
    figure.update_yaxes(tickfont_size=10)
    figure.update_xaxes(title_text="s", row=rows)
    figure.update_yaxes(title_text="°C", col=1)
    return figure


def _panel_title(heat: HeatStudy, name: str) -> str:
    return f"{name}: {root_mean_square(heat.left[name].ravel()):.2f} K"


def _line(x: Vector, y: Vector, name: str, colour: str, first: bool) -> go.Scatter:
    return go.Scatter(
        x=_short(x),
        y=_short(y),
        mode="lines",
        name=name,
        showlegend=first,
        line={"color": colour, "width": 1.5},
        hovertemplate="%{x:.1f} s: %{y:.2f} °C<extra></extra>",
    )


def _short(values: Vector) -> list[float | None]:
    """Values as short as they can be shown: the page holds them as text."""
    return [float(f"{value:.5g}") if value == value else None for value in values.tolist()]
