"""The report's tables: the summary, trained policies elsewhere, decision times."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Protocol, TypeVar

from rm.evaluation.figure_style import PolicyStyle
from rm.evaluation.figures import Comparison
from rm.evaluation.generalisation import Condition, GeneralisationRow
from rm.evaluation.regret import Regret
from rm.evaluation.summary import Difference, Interval, SummaryRow
from rm.evaluation.table import Column, heat_columns, interval_text, service_columns
from rm.evaluation.timing import PolicyTimes

MOST_UNFOLDED = 2
"""So many cooling setups are shown in full from the start; more would bury what comes below."""


def summary_html(
    data: Comparison, regrets: Sequence[Regret], compared: Sequence[Difference]
) -> str:
    """The summary per cooling: temperatures with differences to references, then service."""
    heat = (*heat_columns(data.rows), *_regret_columns(regrets), *_difference_columns(compared))
    return folded_html(data.rows, (heat, service_columns(data.rows)), data.styles)


class SeedsRow(Protocol):
    """A row of a summary: what one policy did under one cooling setup, over its seeds."""

    @property
    def policy(self) -> str:
        """The policy's name."""
        ...

    @property
    def cooling(self) -> str:
        """The cooling setup's name."""
        ...

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds."""
        ...


Row = TypeVar("Row", bound=SeedsRow)


def folded_html(
    rows: Sequence[Row],
    tables: Sequence[Sequence[Column[Row]]],
    styles: Mapping[str, PolicyStyle],
) -> str:
    """The tables of these columns, one below the other, folded away per cooling setup."""
    coolings = list(dict.fromkeys(row.cooling for row in rows))
    unfolded = len(coolings) <= MOST_UNFOLDED
    parts = []
    for number, cooling in enumerate(coolings):
        same = [row for row in rows if row.cooling == cooling]
        found = "".join(_summary_table(same, shown, styles) for shown in tables)
        is_open = " open" if unfolded or number == 0 else ""
        label = f"cooling: <b>{escape(cooling)}</b>"
        parts.append(f"<details{is_open}><summary>{label}</summary>{found}</details>")
    return "\n".join(parts)


def _summary_table(
    rows: Sequence[Row], shown: Sequence[Column[Row]], styles: Mapping[str, PolicyStyle]
) -> str:
    head = "<th>policy</th><th>seeds</th>" + "".join(map(_head_html, shown))
    return table_html(head, [_row_html(row, shown, styles) for row in rows])


def generalisation_html(
    rows: Sequence[GeneralisationRow], styles: Mapping[str, PolicyStyle]
) -> str:
    """Trained policies under each condition, the seen one first."""
    texts = ("applications", "cooling", "arrivals", "policy")
    numbers = (
        "regret, K",
        "more than seen, K",
        "attainable misses, %",
        "within 1 K, %",
        "episodes",
    )
    head = "<th>condition</th>" + "".join(f'<th class="text">{title}</th>' for title in texts)
    head += "".join(f"<th>{title.replace(' ', '<br>', 1)}</th>" for title in numbers)
    lines = []
    for condition in dict.fromkeys(row.condition for row in rows):
        same = [row for row in rows if row.condition == condition]
        first, *others = (_generalisation_cells(row, styles) for row in same)
        label = _condition_cells(condition, len(same))
        lines += [f'<tr class="first">{label}{first}</tr>', *(f"<tr>{row}</tr>" for row in others)]
    return table_html(head, lines)


def times_html(times: Sequence[PolicyTimes], styles: Mapping[str, PolicyStyle]) -> str:
    """Decision times: milliseconds and multiples of the reference."""
    head = (
        '<tr><th rowspan="2">policy</th><th colspan="4">migration decision</th>'
        '<th colspan="4">DVFS decision</th></tr><tr>'
        + 2 * "<th>median, ms</th><th>99 %, ms</th><th>median, ×</th><th>99 %, ×</th>"
        + "</tr>"
    )
    rows = []
    for item in times:
        values = (
            f"{item.migrate_median_ms:.4f}",
            f"{item.migrate_p99_ms:.4f}",
            f"{item.migrate_median_ratio:.1f}",
            f"{item.migrate_p99_ratio:.1f}",
            f"{item.scale_median_ms:.4f}",
            f"{item.scale_p99_ms:.4f}",
            f"{item.scale_median_ratio:.1f}",
            f"{item.scale_p99_ratio:.1f}",
        )
        cells = "".join(f"<td>{value}</td>" for value in values)
        rows.append(f"<tr><td>{_named(item.policy, styles)}</td>{cells}</tr>")
    body = "\n".join(rows)
    return f'<div class="scroll"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def table_html(head: str, rows: Sequence[str]) -> str:
    """A table of a head and rows (HTML)."""
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _head_html(column: Column[Row]) -> str:
    title = escape(column.title).replace(" ", "<br>", 1)
    return f'<th>{title}<span class="unit">{escape(column.unit)}</span></th>'


def _row_html(row: Row, shown: Sequence[Column[Row]], styles: Mapping[str, PolicyStyle]) -> str:
    texts = (escape(column.cell(row)).replace("-", "−") for column in shown)
    cells = "".join(f"<td>{text}</td>" for text in texts)
    return f"<tr><td>{_named(row.policy, styles)}</td><td>{len(row.seeds)}</td>{cells}</tr>"


def _named(policy: str, styles: Mapping[str, PolicyStyle]) -> str:
    swatch = f'<span class="swatch" style="background:{styles[policy].colour}"></span>'
    return f"{swatch}{escape(policy)}"


def _regret_columns(regrets: Sequence[Regret]) -> tuple[Column[SummaryRow], ...]:
    if not regrets:
        return ()
    hottest = {(item.policy, item.cooling or ""): item.regret_k for item in regrets}
    sensor = {(item.policy, item.cooling or ""): item.sensor_regret_k for item in regrets}
    return (
        Column("regret", "K", _interval_cell(hottest, digits=2)),
        Column("regret, sensor", "K", _interval_cell(sensor, digits=2)),
    )


def _difference_columns(differences: Sequence[Difference]) -> tuple[Column[SummaryRow], ...]:
    """A column per reference policy: how much warmer each policy is in the mean, in kelvin."""
    found: dict[str, dict[tuple[str, str], Interval]] = {}
    for item in differences:
        found.setdefault(item.reference, {})[item.policy, item.cooling] = item.mean_temp_k
    return tuple(
        Column(f"mean − {reference}", "K", _interval_cell(intervals, digits=1))
        for reference, intervals in found.items()
    )


def _interval_cell(
    intervals: Mapping[tuple[str, str], Interval], *, digits: int
) -> Callable[[SummaryRow], str]:
    return lambda row: interval_text(intervals.get((row.policy, row.cooling)), digits=digits)


def _condition_cells(condition: Condition, lines: int) -> str:
    """What the condition is, beside so many lines of policies."""
    texts = (
        f"<b>{escape(condition.name)}</b>",
        escape(", ".join(condition.applications)),
        escape(", ".join(condition.coolings)),
        f"{condition.rate_factor:g} ×",
    )
    return "".join(f'<td class="text" rowspan="{lines}">{text}</td>' for text in texts)


def _generalisation_cells(row: GeneralisationRow, styles: Mapping[str, PolicyStyle]) -> str:
    shares = (row.missed_attainable_share, row.within_share)
    texts = (
        interval_text(row.regret_k, digits=2),
        interval_text(row.more_than_seen_k, digits=2),
        *("–" if share is None else f"{100 * share:.1f}" for share in shares),
        str(row.episodes),
    )
    cells = "".join(f"<td>{text.replace('-', '−')}</td>" for text in texts)
    return f'<td class="name">{_named(row.policy, styles)}</td>{cells}'
