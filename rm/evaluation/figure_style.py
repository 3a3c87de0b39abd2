"""How the report's figures look: colours per policy, one template, one panel per cooling setup."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from msgspec import Struct
from plotly.subplots import make_subplots

FONT = "Helvetica, Arial, 'Liberation Sans', sans-serif"
INK = "#222222"
QUIET = "#6b6b6b"
GRID = "#e7e7e7"
MOST_PANELS_ABREAST = 3
_LEGEND_WIDTH_PX = 940
_LEGEND_LINE_PX = 22


class PolicyStyle(Struct, frozen=True):
    """What tells a policy from the others: a colour, a marker and a dash."""

    colour: str
    symbol: str
    dash: str


# Okabe and Ito's colours without yellow, too pale on white, then three dark ones of Paul Tol's. The
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
}


def policy_styles(policies: Sequence[str]) -> dict[str, PolicyStyle]:
    """A style for every policy. Policies from elsewhere take, by name, those that are left over."""
    styles = {name: _SHIPPED[name] for name in policies if name in _SHIPPED}
    spare = [style for name, style in _SHIPPED.items() if name not in styles and name != "oracle"]
    fallback = spare or list(_SHIPPED.values())
    others = sorted(set(policies) - set(styles))
    return styles | {name: fallback[i % len(fallback)] for i, name in enumerate(others)}


def pale(colour: str, opacity: float) -> str:
    """A colour `#rrggbb` with an opacity of 0 to 1.

    >>> pale("#0072B2", 0.25)
    'rgba(0, 114, 178, 0.25)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def template() -> go.layout.Template:
    """White ground, thin dark axes with outside ticks, a light grid, readable type."""
    axis = {
        "showline": True,
        "linecolor": INK,
        "linewidth": 1,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": INK,
        "gridcolor": GRID,
        "zeroline": False,
        "title": {"standoff": 8, "font": {"size": 13}},
        "automargin": True,
    }
    layout = go.Layout(
        font={"family": FONT, "size": 13, "color": INK},
        paper_bgcolor="white",
        plot_bgcolor="white",
        colorway=[style.colour for style in _SHIPPED.values()],
        xaxis=axis,
        yaxis=axis,
        margin={"l": 60, "r": 36, "t": 58, "b": 55},
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


def make_room_for_legend(figure: go.Figure, names: Sequence[str]) -> None:
    """Heighten a figure where a legend of `names` above it takes more than one line."""
    entry_px = 45 + 7 * max(map(len, names))
    lines = math.ceil(len(names) * entry_px / _LEGEND_WIDTH_PX)
    more_px = _LEGEND_LINE_PX * (lines - 1)
    top_px = figure.layout.margin.t or figure.layout.template.layout.margin.t
    figure.update_layout(height=figure.layout.height + more_px, margin_t=top_px + more_px)


class Panels:
    """A figure with one panel per cooling setup, at most `MOST_PANELS_ABREAST` in a row."""

    def __init__(self, coolings: Sequence[str], *, height: int, x_title: str, y_title: str = ""):
        self._columns = min(len(coolings), MOST_PANELS_ABREAST)
        self._place = {
            cooling: (1 + i // self._columns, 1 + i % self._columns)
            for i, cooling in enumerate(coolings)
        }
        rows = 1 + (len(coolings) - 1) // self._columns
        self.figure = make_subplots(
            rows=rows,
            cols=self._columns,
            shared_xaxes="all",
            shared_yaxes="all",
            subplot_titles=[f"cooling: <b>{cooling}</b>" for cooling in coolings],
            horizontal_spacing=0.03,
            vertical_spacing=min(0.16, 0.3 / rows),
        )
        self.figure.update_layout(template=template(), height=height * rows + 60)
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
