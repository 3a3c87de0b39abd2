"""The summary as a table for the terminal and as JSON for machines."""

from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct
from rich import box
from rich.markup import escape
from rich.table import Table

from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.summary import CONFIDENCE, Difference, Interval, Spread, SummaryRow

JSON_SCHEMA = 1

SIMULATED = "Temperatures are simulated: computed from the board's thermal model, not measured."

MISS = (
    f"A QoS miss: an application whose rate over its life stayed below {MISS_BELOW:.0%} of its "
    "target. An attainable miss: one whose target the oracle policy met in the same episode."
)


class Column(Struct, frozen=True):
    """One column of the summary: its title, its unit and how a row fills it.

    The title's first space and its soft hyphen (U+00AD) are where a narrow header breaks.
    """

    title: str
    unit: str
    cell: Callable[[SummaryRow], str]

    @property
    def header(self) -> str:
        """Title and unit on lines of their own."""
        title = self.title.replace(" ", "\n", 1).replace("\u00ad", "-\n")
        return f"{title}\n{self.unit}".rstrip()


def spread_text(value: Spread, *, digits: int) -> str:
    """Mean ± standard deviation.

    >>> spread_text(Spread(mean=45.25, sd=0.31, n=3), digits=1)
    '45.2 ± 0.3'
    """
    sd = "" if value.sd is None else f" ± {value.sd:.{digits}f}"
    return f"{value.mean:.{digits}f}{sd}"


def percent_text(share: Spread | None) -> str:
    """A share of 0 to 1 in percent, or a dash where it is not known."""
    if share is None:
        return "–"
    sd = None if share.sd is None else 100 * share.sd
    return spread_text(Spread(mean=100 * share.mean, sd=sd, n=share.n), digits=1)


def interval_text(value: Interval | None) -> str:
    """A difference with its confidence interval, or a dash where there is none.

    >>> interval_text(Interval(mean=-3.25, low=-4.0, high=-2.5, n=3))
    '-3.2 [-4.0, -2.5]'
    """
    if value is None:
        return "–"
    if value.low is None or value.high is None:
        return f"{value.mean:+.1f}"
    return f"{value.mean:+.1f} [{value.low:+.1f}, {value.high:+.1f}]"


_COLUMNS = (
    Column("mean temp.", "°C", lambda row: spread_text(row.mean_temp_c, digits=1)),
    Column("peak temp.", "°C", lambda row: spread_text(row.peak_temp_c, digits=1)),
    Column(
        "energy per instr.", "pJ", lambda row: spread_text(row.energy_per_instruction_pj, digits=0)
    ),
    Column("fin\u00adished", "%", lambda row: percent_text(row.finished_share)),
    Column("QoS misses", "%", lambda row: percent_text(row.missed_share)),
    Column("attain\u00adable misses", "%", lambda row: percent_text(row.missed_attainable_share)),
    Column("migra\u00adtions", "", lambda row: spread_text(row.migrations, digits=0)),
)
_THROTTLED = Column("thrott\u00adled", "%", lambda row: percent_text(row.throttled_share))
_RUNAWAY = Column("run\u00adaway", "", lambda row: f"{row.runaways} of {len(row.seeds)}")


def columns(rows: Sequence[SummaryRow]) -> tuple[Column, ...]:
    """The summary's columns behind the policy's name, the same in the terminal and in the report.

    Throttling and thermal runaway have a column where there was any.
    """
    throttled = (_THROTTLED,) if any(row.throttled_share.mean > 0 for row in rows) else ()
    runaway = (_RUNAWAY,) if any(row.runaways for row in rows) else ()
    return (*_COLUMNS, *throttled, *runaway)


def summary_table(rows: Sequence[SummaryRow]) -> Table:
    """The summary for the terminal: a group per cooling, the coolest policy first."""
    table = _empty_table(caption=f"{SIMULATED} {MISS} {_seeds_text(rows)}")
    for column in columns(rows):
        _add_column(table, column.header, [column.cell(row) for row in rows])
    for cooling in dict.fromkeys(row.cooling for row in rows):
        table.add_row(f"[bold]{escape(cooling)}[/bold]")
        for row in rows:
            if row.cooling == cooling:
                _add_row(table, row.policy, [column.cell(row) for column in columns(rows)])
        table.add_row()
    return table


def difference_table(differences: Sequence[Difference]) -> Table:
    """Temperatures relative to reference policies, for the terminal."""
    note = f"[a, b]: {CONFIDENCE:.0%} confidence interval; pairs: seeds that both policies ran."
    table = _empty_table(caption=f"Differences of simulated temperatures, paired by seed. {note}")
    cells = {d: (interval_text(d.mean_temp_k), interval_text(d.peak_temp_k)) for d in differences}
    _add_column(table, "mean temp.\nK", [mean for mean, _ in cells.values()])
    _add_column(table, "peak temp.\nK", [peak for _, peak in cells.values()])
    _add_column(table, "pairs", ["9"])
    for group in dict.fromkeys((d.reference, d.cooling) for d in differences):
        table.add_row(f"[bold]minus {escape(group[0])}, {escape(group[1])}[/bold]")
        for item in differences:
            if (item.reference, item.cooling) == group:
                _add_row(table, item.policy, [*cells[item], str(item.mean_temp_k.n)])
        table.add_row()
    return table


def summary_json(rows: Sequence[SummaryRow], differences: Sequence[Difference] = ()) -> str:
    """The summary as JSON: units in the keys, shares of 0 to 1, simulated temperatures."""
    document = {
        "schema": JSON_SCHEMA,
        "temperatures": "simulated",
        "miss_below_share_of_target": MISS_BELOW,
        "confidence": CONFIDENCE,
        "summary": rows,
        "differences": differences,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _empty_table(*, caption: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=escape(caption),
        caption_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("policy", no_wrap=True)
    return table


def _add_column(table: Table, header: str, cells: Sequence[str]) -> None:
    """Add a column that breaks between words where the terminal is narrow, but cuts no number."""
    words = [word for text in (header, *map(_narrow, cells)) for word in text.split()]
    table.add_column(escape(header), justify="right", min_width=max(map(len, words)))


def _add_row(table: Table, policy: str, cells: Sequence[str]) -> None:
    table.add_row(f"  {escape(policy)}", *(escape(_narrow(cell)) for cell in cells))


def _narrow(text: str) -> str:
    """The cell with its ± bound to the number behind it."""
    return text.replace("± ", "±")


def _seeds_text(rows: Sequence[SummaryRow]) -> str:
    numbers = sorted({len(row.seeds) for row in rows})
    n = " to ".join(map(str, dict.fromkeys((numbers[0], numbers[-1])))) if numbers else "0"
    return f"Mean ± standard deviation over seeds, n = {n}."
