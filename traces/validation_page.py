"""The page that shows a board beside other chips."""

import plotly.graph_objects as go

from traces.calibration.report_page import (
    COLOURS,
    definitions_html,
    figure_html,
    page,
    paragraph,
    section_html,
    table_html,
    template,
)
from traces.report_frame import INK
from traces.validation import ClusterValidation, Validation

_HEIGHT_PX = 380


def validation_html(done: Validation) -> str:
    """The whole page: a table and a figure for each cluster, then the speeds."""
    title = f"{done.board.title} beside other chips"
    parts = [
        f"<h1>{title}</h1>",
        paragraph(
            "The board's busy power, and what was measured on other chips with such cores: "
            "CoreMark on one thread, the whole device's power with its idle power taken off. Other "
            "chips, other voltages, regulators' losses included: the figures should be of one "
            "order, not equal."
        ),
    ]
    for cluster in done.clusters:
        name = f"{cluster.name}: {cluster.core_type}"
        caption = (
            "One busy core with its cluster's shared part. Dots are the board's operating points, "
            "lines were measured."
        )
        parts.append(
            section_html(
                name,
                _table(cluster, done.chips),
                figure_html(_figure(cluster), f"power-{cluster.name}", caption),
            )
        )
    parts.append(section_html("Speed at the same clock", definitions_html(_speeds(done))))
    return page(title=title, body="\n".join(parts))


def _table(cluster: ClusterValidation, chips: tuple[str, ...]) -> str:
    headers = ["MHz", "board, mW", "core alone"]
    for chip in chips:
        headers += [f"{chip}, mW", "board differs by"]
    rows = []
    for point in cluster.points:
        row = [f"{value:.0f}" for value in (point.freq_hz / 1e6, 1e3 * point.board_w)]
        row.append(f"{1e3 * point.core_w:.0f}")
        for watt, difference in zip(point.measured_w, point.differences, strict=True):
            known = watt == watt
            row += [f"{watt * 1e3:.0f}", f"{difference:+.0%}"] if known else ["beyond", ""]
        rows.append(row)
    return table_html(headers, rows, texts=())


def _figure(cluster: ClusterValidation) -> go.Figure:
    figure = go.Figure()
    for number, one in enumerate(cluster.measured):
        figure.add_scatter(
            x=one.freq_hz / 1e6,
            y=one.power_w * 1e3,
            mode="lines",
            name=one.chip,
            line={"color": COLOURS[number % len(COLOURS)]},
        )
    figure.add_scatter(
        x=[point.freq_hz / 1e6 for point in cluster.points],
        y=[point.board_w * 1e3 for point in cluster.points],
        mode="markers",
        name="board",
        marker={"color": INK, "size": 9},
    )
    figure.update_layout(template=template(), height=_HEIGHT_PX)
    figure.update_xaxes(title_text="clock (MHz)", rangemode="tozero")
    figure.update_yaxes(title_text="power (mW)", rangemode="tozero")
    return figure


def _speeds(done: Validation) -> list[tuple[str, str]]:
    found = [
        (f"{chip}, CoreMark", f"{ratio:.3f}")
        for chip, ratio in zip(done.chips, done.per_mhz_ratio, strict=True)
    ]
    ratios = done.profile_ratios
    middle = ratios[len(ratios) // 2]
    found.append(
        (
            "the applications' profiles",
            f"{middle:.3f} in the median, {ratios[0]:.2f} to {ratios[-1]:.2f}, without stalls",
        )
    )
    if done.capacity_ratio:
        found.append(("the board's capacities", f"{done.capacity_ratio:.2f}"))
    return found
