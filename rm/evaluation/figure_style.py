"""How the report's figures look: colours per policy, one template, one panel per cooling setup."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from msgspec import Struct
from plotly.subplots import make_subplots

from traces.report_frame import AXIS, FONT, INK

MOST_PANELS_ABREAST = 3
_FEW_LINES = 8
_TOP_PX, _BOTTOM_PX = 58, 55  # margins
_LEGEND_WIDTH_PX = 940
_LEGEND_LINE_PX = 22
_BETWEEN_ROWS_PX = 86  # the axis title of the panels above, the heading of those below
_AROUND_PX = _TOP_PX + _BOTTOM_PX


class PolicyStyle(Struct, frozen=True):
    """What tells a policy from the others: a colour, a marker and a dash."""

    colour: str
    symbol: str
    dash: str


# Okabe and Ito's colours without yellow, too pale on white, then dark ones of Paul Tol's. The
# policies that come with ilgov keep their style from report to report.
_SHIPPED = {
    "oracle": PolicyStyle("#000000", "star", "dot"),
    "ilgov": PolicyStyle("#D55E00", "circle", "solid"),
    "topil": PolicyStyle("#0072B2", "square", "solid"),
    "toprl": PolicyStyle("#CC79A7", "diamond", "dashdot"),
    "gts-ondemand": PolicyStyle("#E69F00", "triangle-up", "solid"),
    "gts-powersave": PolicyStyle("#009E73", "triangle-down", "dash"),
    "gts-performance": PolicyStyle("#882255", "triangle-right", "dash"),
    "eas-schedutil": PolicyStyle("#56B4E9", "cross", "solid"),
    "eas-schedutil-ipa": PolicyStyle("#332288", "x", "dash"),
    "little-first": PolicyStyle("#777777", "pentagon", "dash"),
    "gts-qos": PolicyStyle("#999933", "hexagon", "solid"),
}
_SPARE = (
    PolicyStyle("#117733", "star-triangle-up", "longdash"),
    PolicyStyle("#AA4499", "star-square", "longdash"),
)


def policy_styles(policies: Sequence[str]) -> dict[str, PolicyStyle]:
    """A style for every policy. Policies from elsewhere take, by name, those that are left over."""
    styles = {name: _SHIPPED[name] for name in policies if name in _SHIPPED}
    unused = [style for name, style in _SHIPPED.items() if name not in styles and name != "oracle"]
    spare = [*_SPARE, *unused]
    others = sorted(set(policies) - set(styles))
    return styles | {name: spare[i % len(spare)] for i, name in enumerate(others)}


def pale(colour: str, opacity: float) -> str:
    """A colour `#rrggbb` with an opacity of 0 to 1.

    >>> pale("#0072B2", 0.25)
    'rgba(0, 114, 178, 0.25)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def template() -> go.layout.Template:
    """White ground, thin dark axes with outside ticks, a light grid, readable type."""
    layout = go.Layout(
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        colorway=[style.colour for style in _SHIPPED.values()],
        xaxis=AXIS,
        yaxis=AXIS,
        margin={"l": 60, "r": 36, "t": _TOP_PX, "b": _BOTTOM_PX},
        modebar={"orientation": "v"},
        hoverlabel={"font": {"family": FONT, "size": 12}},
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
        },
    )
    return go.layout.Template(layout=layout)


def row_height_px(lines: int) -> int:
    """The height of a line where a figure has one per policy: less where there are many."""
    return 46 if lines <= _FEW_LINES else 33


def make_room_for_legend(figure: go.Figure, names: Sequence[str]) -> None:
    """Heighten a figure where a legend of `names` above it takes more than one line."""
    entry_px = 45 + 7 * max(map(len, names))
    lines = math.ceil(len(names) * entry_px / _LEGEND_WIDTH_PX)
    more_px = _LEGEND_LINE_PX * (lines - 1)
    top_px = figure.layout.margin.t or figure.layout.template.layout.margin.t
    figure.update_layout(height=figure.layout.height + more_px, margin_t=top_px + more_px)


def equally_wide(
    ends: Mapping[str, tuple[float, float]],
) -> dict[str, tuple[float, float]]:
    """Ranges of one width around each of these, so that lengths compare where places do not."""
    widest = max(high - low for low, high in ends.values()) or 1.0
    return {name: (low - 0.06 * widest, low + 1.06 * widest) for name, (low, _) in ends.items()}


class Panels:
    """A figure with one panel per cooling setup, at most `MOST_PANELS_ABREAST` in a row."""

    def __init__(
        self,
        coolings: Sequence[str],
        *,
        height: int,
        x_title: str,
        y_title: str = "",
        x_ranges: Mapping[str, tuple[float, float]] | None = None,
    ):
        """`height` is a panel's with its axis; without `x_ranges` all x axes are the same."""
        self._columns = min(len(coolings), MOST_PANELS_ABREAST)
        self._place = {
            cooling: (1 + i // self._columns, 1 + i % self._columns)
            for i, cooling in enumerate(coolings)
        }
        rows = 1 + (len(coolings) - 1) // self._columns
        panels_px = (height - _AROUND_PX + 60) * rows + _BETWEEN_ROWS_PX * (rows - 1)
        self.figure = make_subplots(
            rows=rows,
            cols=self._columns,
            shared_xaxes=False if x_ranges else "all",
            shared_yaxes="all",
            subplot_titles=[f"cooling: <b>{cooling}</b>" for cooling in coolings],
            horizontal_spacing=0.03,
            vertical_spacing=_BETWEEN_ROWS_PX / panels_px if rows > 1 else 0.0,
        )
        self.figure.update_layout(template=template(), height=panels_px + _AROUND_PX)
        for cooling, ends in (x_ranges or {}).items():
            row, column = self._place[cooling]
            self.figure.update_xaxes(range=ends, row=row, col=column)
        self.figure.update_annotations(font_size=13, yshift=2)
        self.figure.update_xaxes(title_text=x_title, showticklabels=True)
        self.figure.update_yaxes(title_text=y_title, col=1)

    def add(self, trace: go.Scatter | go.Bar, cooling: str) -> None:
        """Put a trace into the panel of `cooling`."""
        row, column = self._place[cooling]
        self.figure.add_trace(trace, row=row, col=column)

    def name_policies(self, policies: Sequence[str], styles: Mapping[str, PolicyStyle]) -> None:
        """Give the y axis one line per policy, the first at the top, each name with its colour."""
        names = [f'{name} <span style="color:{styles[name].colour}">■</span>' for name in policies]
        self.figure.update_yaxes(
            tickvals=list(range(len(policies))),
            ticktext=names,
            range=[len(policies) - 0.5, -0.5],
            showgrid=False,
            ticks="",
        )


def legend_entry(name: str, marker: Mapping[str, object], rank: int) -> go.Scatter:
    """A grey entry that explains a marker in the legend without drawing anything."""
    return go.Scatter(
        x=[None], y=[None], mode="markers", name=name, marker=dict(marker), legendrank=rank
    )
