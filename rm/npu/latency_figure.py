"""The measured latencies as a figure: against the batch, hot on the left, cold on the right.

HTML needs plotly (the extra ``report``), which is loaded when a figure is drawn; PNG needs Chromium
as well, which draws the page.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from npu_runtime.measure.latency import YARDSTICK, Latency
from platforms.errors import InvalidInput
from rm.npu.benched import Benched

if TYPE_CHECKING:
    import plotly.graph_objects as go

WIDTH_PX, HEIGHT_PX = 1100, 520

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_DRAW_S = 60.0


class _Style(NamedTuple):
    """What tells a back end from the others: a colour, a marker and a dash."""

    colour: str
    symbol: str
    dash: str


def latency_figure(found: Benched) -> "go.Figure":
    """Median wall times with a line to the 90th percentile, on logarithmic scales."""
    from plotly.subplots import make_subplots

    from rm.evaluation.figure_style import template

    names = list(dict.fromkeys(one.name for one in (*found.hot, *found.cold)))
    styles = _styles(names)
    cold_title = f"<b>cold</b>: a call every {found.period_s:g} s"
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=["<b>hot</b>: one call after the other", cold_title],
    )
    for column, latencies in enumerate((found.hot, found.cold), start=1):
        for name in names:
            own = [one for one in latencies if one.name == name]
            figure.add_trace(_line(name, own, styles[name], first=column == 1), row=1, col=column)
    figure.update_layout(
        template=template(),
        width=WIDTH_PX,
        height=HEIGHT_PX,
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": -0.18, "yanchor": "top"},
        margin={"t": 70, "b": 100},
        legend_yref="paper",
        title={"text": f"A call of the network, {found.machine}", "font": {"size": 15}},
    )
    figure.update_xaxes(title_text="rows in a call", type="log", tickvals=[1, 2, 4, 8, 16, 32, 64])
    figure.update_yaxes(type="log", dtick="D2", rangemode="normal")
    figure.update_yaxes(title_text="median, bar up to 90 % (µs)", row=1, col=1)
    return figure


_YARDSTICK_STYLE = _Style("#000000", "line-ew-open", "dot")
_OURS = {
    YARDSTICK: _YARDSTICK_STYLE,
    "numpy": _Style("#0072B2", "square", "solid"),
    "onnxruntime": _Style("#D55E00", "circle", "solid"),
    "hiai": _Style("#009E73", "triangle-up", "solid"),
    "rknn": _Style("#CC79A7", "diamond", "solid"),
}
_OTHERS = (
    _Style("#56B4E9", "cross", "dash"),
    _Style("#882255", "x", "dash"),
    _Style("#777777", "pentagon", "dash"),
)
"""Okabe and Ito's colours, and dark ones of Paul Tol's; ours keep theirs from figure to figure."""


def _styles(names: Sequence[str]) -> dict[str, _Style]:
    """A style per back end."""
    others = [name for name in names if name not in _OURS]
    return _OURS | {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}


def _line(name: str, own: Sequence[Latency], style: _Style, *, first: bool) -> "go.Scatter":
    import plotly.graph_objects as go

    return go.Scatter(
        x=[one.batch for one in own],
        y=[one.p50_us for one in own],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [one.p90_us - one.p50_us for one in own],
            "arrayminus": [0.0] * len(own),
            "thickness": 1,
            "width": 3,
        },
        mode="lines+markers",
        name=name,
        legendgroup=name,
        showlegend=first,
        line={"color": style.colour, "dash": style.dash, "width": 2},
        marker={"color": style.colour, "symbol": style.symbol, "size": 8},
    )


def write_figure(found: Benched, path: Path) -> None:
    """Write the figure as ``.html`` or ``.png``; InvalidInput for other names."""
    config = {"displayModeBar": path.suffix == ".html"}
    page = latency_figure(found).to_html(include_plotlyjs=True, full_html=True, config=config)
    if path.suffix == ".html":
        path.write_text(page, "utf-8")
    elif path.suffix == ".png":
        _draw(page, path)
    else:
        raise InvalidInput(f"--plot must be a file .html or .png (got {path})")


def _draw(page: str, path: Path) -> None:
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        raise InvalidInput(
            f"--plot {path} needs Chromium to draw a PNG; install it, or write an .html"
        )
    with TemporaryDirectory() as folder:
        source, drawn = Path(folder, "figure.html"), Path(folder, "figure.png")
        source.write_text(page, "utf-8")
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = f"--window-size={WIDTH_PX + 16},{HEIGHT_PX + 16}"
        command += [f"--user-data-dir={folder}/profile", size, "--virtual-time-budget=5000"]
        ended = subprocess.run(
            [*command, f"--screenshot={drawn}", source.as_uri()],
            capture_output=True,
            check=False,
            timeout=_DRAW_S,
        )
        if not drawn.is_file():
            raise InvalidInput(
                f"--plot {path}: {browser} must draw it (it ended with {ended.returncode}); "
                "write an .html"
            )
        shutil.copyfile(drawn, path)
