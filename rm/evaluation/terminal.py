"""The comparison as tables for the terminal."""

from collections.abc import Iterable, Sequence

from rich.markup import escape
from rich.table import Table

from rm.evaluation.generalisation import GeneralisationRow
from rm.evaluation.policy_table import add_column, add_row, empty_table
from rm.evaluation.regret import Regret
from rm.evaluation.summary import CONFIDENCE, Difference, SummaryRow
from rm.evaluation.table import (
    JUDGED,
    MISS,
    SIMULATED,
    columns,
    interval_text,
    missed_by_text,
    proof_text,
)
from rm.evaluation.timing import REFERENCE, PolicyTimes

_INTERVAL = f"[a, b]: {CONFIDENCE:.0%} confidence interval, paired by seed."
_PERCENT = 100
_GLUE = "\u00a0"
"""A space at which no terminal breaks a line."""


def summary_table(rows: Sequence[SummaryRow]) -> Table:
    """The summary for the terminal: a group per cooling, the coolest policy first."""
    table = empty_table(caption=f"{SIMULATED} {MISS} {_seeds_text(rows)}")
    for column in columns(rows):
        add_column(table, column.header, [column.cell(row) for row in rows])
    for cooling in dict.fromkeys(row.cooling for row in rows):
        table.add_row(f"[bold]{escape(cooling)}[/bold]")
        for row in rows:
            if row.cooling == cooling:
                add_row(table, row.policy, [column.cell(row) for column in columns(rows)])
        table.add_row()
    return table


def difference_table(differences: Sequence[Difference]) -> Table:
    """Temperatures relative to reference policies, for the terminal."""
    note = f"{_INTERVAL} Pairs: seeds that both policies ran."
    table = empty_table(caption=f"Differences of simulated temperatures. {note}")
    cells = {d: (interval_text(d.mean_temp_k), interval_text(d.peak_temp_k)) for d in differences}
    add_column(table, "mean temp.\nK", [mean for mean, _ in cells.values()])
    add_column(table, "peak temp.\nK", [peak for _, peak in cells.values()])
    add_column(table, "pairs", ["9"])
    for group in dict.fromkeys((d.reference, d.cooling) for d in differences):
        table.add_row(f"[bold]minus {escape(group[0])}, {escape(group[1])}[/bold]")
        for item in differences:
            if (item.reference, item.cooling) == group:
                add_row(table, item.policy, [*cells[item], str(item.mean_temp_k.n)])
        table.add_row()
    return table


def regret_table(regrets: Sequence[Regret], rows: Sequence[SummaryRow]) -> Table:
    """Regret to the oracle, what the judge found, and how grave the misses are."""
    found = {(row.policy, row.cooling): row for row in rows}
    table = empty_table(
        caption="Regret: the time mean of the hottest core's simulated temperature minus that of "
        f"the oracle policy; sensor: the same where the sensor sits. {_INTERVAL} {JUDGED} "
        f"{proof_text(rows)} Missed by: how far those that missed stayed below their target, in "
        "the mean and at worst."
    )
    lines: list[tuple[str | None, str, list[str]]] = []
    for item in regrets:
        row = found.get((item.policy, item.cooling or ""))
        sensor = f"{item.sensor_regret_k.mean:+.2f}"
        cells = [interval_text(item.regret_k, digits=2).replace(" ", _GLUE), sensor]
        cells += ["", "", ""] if row is None else _judged_cells(row)
        lines.append((item.cooling, item.policy, cells))
    headers = ("regret\nK", "sensor\nK", "within\n1 K, %", "steady\nK", "missed\nby, %")
    for number, header in enumerate(headers):
        add_column(table, header, [cells[number] for _, _, cells in lines])
    for cooling in dict.fromkeys(cooling for cooling, _, _ in lines):
        table.add_row(f"[bold]{escape(cooling or 'over all cooling setups')}[/bold]")
        for _, policy, cells in (line for line in lines if line[0] == cooling):
            add_row(table, policy, cells)
        table.add_row()
    return table


def _judged_cells(row: SummaryRow) -> list[str]:
    within = "–" if row.within_share is None else f"{_PERCENT * row.within_share.mean:.1f}"
    steady = "–" if row.steady_regret_k is None else f"{row.steady_regret_k.mean:+.2f}"
    return [within, steady, missed_by_text(row)]


def generalisation_table(rows: Sequence[GeneralisationRow]) -> Table:
    """Trained policies where all is as in training, and where something is not."""
    table = empty_table(
        caption="Regret to the oracle on the same workload, K, and how much of it is more than in "
        f"the seen condition. {_INTERVAL} Misses: of targets that the oracle met. {JUDGED}"
    )
    cells = {id(row): _generalisation_cells(row) for row in rows}
    headers = ("regret\nK", "more than\nseen, K", "misses\n%", "within\n1 K, %")
    for number, header in enumerate(headers):
        add_column(table, header, [texts[number] for texts in cells.values()])
    for condition in dict.fromkeys(row.condition for row in rows):
        table.add_row(f"[bold]{escape(condition.name)}[/bold]")
        for row in rows:
            if row.condition == condition:
                add_row(table, row.policy, cells[id(row)])
        table.add_row()
    return table


def _generalisation_cells(row: GeneralisationRow) -> list[str]:
    shares = (row.missed_attainable_share, row.within_share)
    return [
        interval_text(row.regret_k, digits=2).replace(" ", _GLUE),
        "–" if row.more_than_seen_k is None else f"{row.more_than_seen_k.mean:+.2f}",
        *("–" if share is None else f"{_PERCENT * share:.1f}" for share in shares),
    ]


def times_table(times: Sequence[PolicyTimes]) -> Table:
    """How long decisions took, and the same in units of the reference."""
    table = empty_table(caption=f"Wall time of a decision: median, 99th percentile. {REFERENCE}")
    cells = {item.policy: _time_cells(item) for item in times}
    headers = ("migration\nms", "x refer-\nence", "DVFS\nms", "x refer-\nence")
    for number, header in enumerate(headers):
        add_column(table, header, [texts[number] for texts in cells.values()])
    for policy, texts in cells.items():
        add_row(table, policy, texts)
    return table


def _time_cells(times: PolicyTimes) -> list[str]:
    return [
        _pair((times.migrate_median_ms, times.migrate_p99_ms), digits=3),
        _pair((times.migrate_median_ratio, times.migrate_p99_ratio), digits=1),
        _pair((times.scale_median_ms, times.scale_p99_ms), digits=3),
        _pair((times.scale_median_ratio, times.scale_p99_ratio), digits=1),
    ]


def _pair(values: Iterable[float], *, digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def _seeds_text(rows: Sequence[SummaryRow]) -> str:
    numbers = sorted({len(row.seeds) for row in rows})
    n = " to ".join(map(str, dict.fromkeys((numbers[0], numbers[-1])))) if numbers else "0"
    return f"Mean ± standard deviation over seeds, n = {n}."
