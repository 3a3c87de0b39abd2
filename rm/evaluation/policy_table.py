"""Tables of the terminal that have a row per policy."""

import re
from collections.abc import Sequence

from rich import box
from rich.markup import escape
from rich.table import Table


def empty_table(*, caption: str) -> Table:
    """A table of policies without rows, whose columns are to come."""
    table = Table(
        box=box.SIMPLE_HEAD,
        caption=escape(caption),
        caption_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("policy", no_wrap=True)
    return table


def add_column(table: Table, header: str, cells: Sequence[str]) -> None:
    """Add a column that breaks between words where the terminal is narrow, but cuts no number."""
    words = [word for text in (header, *map(_narrow, cells)) for word in re.split("[ \n]", text)]
    table.add_column(escape(header), justify="right", min_width=max(map(len, words)))


def add_row(table: Table, policy: str, cells: Sequence[str]) -> None:
    """Add a policy's row."""
    table.add_row(f"  {escape(policy)}", *(escape(_narrow(cell)) for cell in cells))


def _narrow(text: str) -> str:
    """The cell with its ± bound to the number behind it."""
    return text.replace("± ", "±")
