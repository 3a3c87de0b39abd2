"""The summary as a table of the report."""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from rm.evaluation.figure_style import PolicyStyle
from rm.evaluation.figures import Comparison
from rm.evaluation.summary import Difference, Interval, SummaryRow
from rm.evaluation.table import Column, columns, interval_text


def table_html(data: Comparison, compared: Sequence[Difference]) -> str:
    """The summary, a group per cooling, with a column of differences per reference policy."""
    shown = (*columns(data.rows), *_difference_columns(compared))
    head = "".join(
        f"<th>{escape(column.title).replace(' ', '<br>', 1)}"
        f'<span class="unit">{escape(column.unit)}</span></th>'
        for column in shown
    )
    rows = []
    for cooling in data.coolings:
        label = f"cooling: {escape(cooling)}"
        rows.append(f'<tr class="group"><td colspan="{len(shown) + 2}">{label}</td></tr>')
        for row in data.rows:
            if row.cooling == cooling:
                texts = (escape(column.cell(row)).replace("-", "−") for column in shown)
                cells = "".join(f"<td>{text}</td>" for text in texts)
                rows.append(f"<tr>{_policy_cells(row, data.styles[row.policy])}{cells}</tr>")
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table><thead><tr><th>policy</th><th>seeds</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _policy_cells(row: SummaryRow, style: PolicyStyle) -> str:
    swatch = f'<span class="swatch" style="background:{style.colour}"></span>'
    return f"<td>{swatch}{escape(row.policy)}</td><td>{len(row.seeds)}</td>"


def _difference_columns(differences: Sequence[Difference]) -> tuple[Column, ...]:
    """A column per reference policy: how much warmer each policy is in the mean, in kelvin."""
    found: dict[str, dict[tuple[str, str], Interval]] = {}
    for item in differences:
        found.setdefault(item.reference, {})[item.policy, item.cooling] = item.mean_temp_k
    return tuple(
        Column(f"mean − {reference}", "K", _difference_cell(intervals))
        for reference, intervals in found.items()
    )


def _difference_cell(
    intervals: Mapping[tuple[str, str], Interval],
) -> Callable[[SummaryRow], str]:
    return lambda row: interval_text(intervals.get((row.policy, row.cooling)))
