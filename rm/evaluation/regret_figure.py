"""The report's figure of the regret: every policy, every cooling setup, with what is uncertain."""

import plotly.graph_objects as go

from rm.evaluation.figure_style import Panels, PolicyStyle, legend_entry
from rm.evaluation.figures import Comparison
from rm.evaluation.outcome import ORACLE
from rm.evaluation.regret import Regret
from rm.evaluation.summary import Interval
from traces.report_frame import INK, QUIET

_ROW_HEIGHT = 26


def regret_figure(data: Comparison) -> go.Figure:
    """Regret of the hottest core's mean and of the sensor's, with confidence intervals."""
    policies = [policy for policy in data.policies if policy != ORACLE]
    height = 75 + _ROW_HEIGHT * len(policies)
    panels = Panels(data.coolings, height=height, x_title="regret to the oracle (K, simulated)")
    for item in data.regrets:
        if item.cooling is not None:
            line, style = policies.index(item.policy), data.styles[item.policy]
            panels.add(_marker(item, item.sensor_regret_k, line + 0.2, style), item.cooling)
            panels.add(_marker(item, item.regret_k, line - 0.1, style), item.cooling)
    filled = {"color": QUIET, "size": 10, "symbol": "circle"}
    hollow = {"color": "white", "size": 7, "line": {"color": QUIET, "width": 1.5}}
    panels.add(legend_entry("hottest core", filled, 1), data.coolings[0])
    panels.add(legend_entry("sensor", hollow, 2), data.coolings[0])
    panels.name_policies(policies, data.styles)
    panels.figure.add_vline(x=0, line={"color": INK, "width": 1, "dash": "dot"})
    return panels.figure


def _marker(item: Regret, value: Interval, line: float, style: PolicyStyle) -> go.Scatter:
    is_hottest = value is item.regret_k
    edge = {"color": style.colour, "width": 1.5}
    colour = style.colour if is_hottest else "white"
    marker = {"color": colour, "size": 9 if is_hottest else 6, "line": edge}
    what = "hottest core" if is_hottest else "sensor"
    return go.Scatter(
        x=[value.mean],
        y=[line],
        mode="markers",
        marker=marker,
        error_x=_error(value, style.colour),
        hovertemplate=f"{item.policy}, {item.cooling}<br>{what} {value.mean:+.2f} K"
        f" ({value.n} seeds)<extra></extra>",
        showlegend=False,
    )


def _error(value: Interval, colour: str) -> dict[str, object]:
    if value.high is None:
        return {"visible": False}
    half = value.high - value.mean
    return {"type": "data", "array": [half], "thickness": 1.3, "width": 3, "color": colour}
