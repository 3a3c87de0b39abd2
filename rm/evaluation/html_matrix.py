"""The report's overview: one number per policy and cooling setup, the ground coloured by size."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Protocol

from msgspec import Struct

from rm.evaluation.figure_style import PolicyStyle, pale
from rm.evaluation.regret import Regret
from rm.evaluation.summary import Spread, SummaryRow
from rm.evaluation.table import interval_text

_HOT = "#D55E00"
_STRONGEST = 0.55


class Compared(Protocol):
    """What a matrix is of: its rows and columns in order, and how policies look."""

    @property
    def coolings(self) -> Sequence[str]:
        """The cooling setups."""
        ...

    @property
    def policies(self) -> Sequence[str]:
        """The policies."""
        ...

    @property
    def styles(self) -> Mapping[str, PolicyStyle]:
        """The style of every policy."""
        ...


Cells = Mapping[tuple[str, str | None], "Cell"]


class Cell(Struct, frozen=True):
    """A number as text, how bad it is (0 to 1), and what else is to be said of it."""

    text: str
    badness: float
    note: str = ""


def matrix_html(title: str, unit: str, data: Compared, cells: Cells) -> str:
    """Policies down, cooling setups across; empty where nothing is known."""
    scopes: list[str | None] = [*data.coolings]
    if any(cooling is None for _, cooling in cells):
        scopes.append(None)
    head = "".join(f"<th>{escape(scope or 'all')}</th>" for scope in scopes)
    rows = []
    for policy in data.policies:
        if any((policy, scope) in cells for scope in scopes):
            swatch = f'<span class="swatch" style="background:{data.styles[policy].colour}"></span>'
            found = "".join(_cell_html(cells.get((policy, scope))) for scope in scopes)
            rows.append(f"<tr><td>{swatch}{escape(policy)}</td>{found}</tr>")
    body = "\n".join(rows)
    return (
        f'<div class="scroll"><table class="matrix"><caption>{escape(title)} '
        f'<span class="unit">({escape(unit)})</span></caption>'
        f"<thead><tr><th>policy</th>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def regret_cells(regrets: Sequence[Regret]) -> Cells:
    """Regret in kelvin, the confidence interval as a note."""
    worst = max((item.regret_k.mean for item in regrets), default=0.0)
    return {
        (item.policy, item.cooling): Cell(
            _minus(f"{item.regret_k.mean:.2f}"),
            max(0.0, item.regret_k.mean) / worst if worst > 0 else 0.0,
            f"{interval_text(item.regret_k, digits=2)} K, {item.regret_k.n} seeds",
        )
        for item in regrets
    }


def share_cells(
    rows: Sequence[SummaryRow],
    share: Callable[[SummaryRow], Spread | None],
    *,
    bad: Callable[[float], float] = lambda share: share,
) -> Cells:
    """Shares of 0 to 1 in percent; `bad` says how bad one is."""
    known = [(row, found.mean) for row in rows if (found := share(row)) is not None]
    worst = max((bad(value) for _, value in known), default=0.0)
    return {
        (row.policy, row.cooling): Cell(
            f"{100 * value:.1f}",
            bad(value) / worst if worst > 0 else 0.0,
            f"{row.policy}, {row.cooling}, {len(row.seeds)} seeds",
        )
        for row, value in known
    }


def _cell_html(cell: Cell | None) -> str:
    if cell is None:
        return "<td>–</td>"
    ground = pale(_HOT, round(_STRONGEST * cell.badness, 3))
    note = escape(_minus(cell.note))
    return f'<td style="background:{ground}" title="{note}">{escape(cell.text)}</td>'


def _minus(text: str) -> str:
    return text.replace("-", "−")
