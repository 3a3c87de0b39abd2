"""The comparison with training as tables for the terminal."""

from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from rm.evaluation.policy_table import add_column, add_row, empty_table
from rm.evaluation.summary import CONFIDENCE
from rm.evaluation.table import SIMULATED
from rm.evaluation.training.summary import TrainingDifference, TrainingRow
from rm.evaluation.training.table import (
    DIFFERENCE_HEADERS,
    LIMIT,
    MISS,
    columns,
    difference_cells,
)
from rm.evaluation.training.verdicts import SUBJECT, Verdict


def summary_table(rows: Sequence[TrainingRow]) -> Table:
    """The summary for the terminal: a group per cooling, the coolest policy first."""
    seeds = sorted({len(row.seeds) for row in rows})
    n = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))
    spreads = f"Mean ± standard deviation over seeds, n = {n}."
    table = empty_table(caption=f"{SIMULATED} {MISS} {LIMIT} {spreads}")
    for column in columns():
        add_column(table, column.header, [column.cell(row) for row in rows])
    for cooling in dict.fromkeys(row.cooling for row in rows):
        same = [row for row in rows if row.cooling == cooling]
        table.add_row(f"[bold]{escape(cooling)}[/bold], limit {same[0].limit_c:.1f} °C")
        for row in same:
            add_row(table, row.policy, [column.cell(row) for column in columns()])
        table.add_row()
    return table


def difference_table(differences: Sequence[TrainingDifference]) -> Table:
    """Policies relative to the references, for the terminal."""
    note = f"[a, b]: {CONFIDENCE:.0%} confidence interval, paired by seed."
    table = empty_table(caption=f"Differences; temperatures are simulated. {note}")
    cells = {id(item): difference_cells(item) for item in differences}
    for number, header in enumerate(DIFFERENCE_HEADERS):
        add_column(table, header, [texts[number] for texts in cells.values()])
    for reference, cooling in dict.fromkeys((d.reference, d.cooling) for d in differences):
        table.add_row(f"[bold]minus {escape(reference)}, {escape(cooling)}[/bold]")
        for item in differences:
            if (item.reference, item.cooling) == (reference, cooling):
                add_row(table, item.policy, cells[id(item)])
        table.add_row()
    return table


def verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """What must hold, what was found."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("cooling", no_wrap=True)
    for header in (f"what must hold of {SUBJECT}", "found", "holds"):
        table.add_column(header)
    for item in verdicts:
        holds = "yes" if item.holds else "[bold]no[/bold]"
        table.add_row(escape(item.cooling), escape(item.required), escape(item.found), holds)
    return table
