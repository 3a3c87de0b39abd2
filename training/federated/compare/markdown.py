"""The comparison's tables as Markdown."""

from collections.abc import Iterator

from training.federated.compare.captions import READING
from training.federated.compare.document import Document
from training.federated.compare.tables import overview, protocol_tables, tuning_table
from training.federated.compare.words import number
from training.federated.study import Table


def document_markdown(document: Document, *, command: str) -> str:
    """All tables of a comparison."""
    return "\n".join(_lines(document, command)) + "\n"


def _lines(document: Document, command: str) -> Iterator[str]:
    size = document.size
    yield "# Federated training systems, compared\n"
    yield f"Made by `{command}`: {size.rounds} rounds, {size.seeds} seeds.\n"
    yield from (f"{text}\n" for text in READING)
    yield from (table_markdown(one, level=2) for one in overview(document))
    for system in document.systems:
        yield f"## {system.system}\n"
        yield f"{system.summary} ({system.paper}). What leaves a device: {system.leaves_device}.\n"
        yield table_markdown(tuning_table(system))
        for scene in system.scenes:
            yield f"### {scene.name}\n"
            for table in protocol_tables(scene):
                yield table_markdown(table, level=4)
        for table in system.tables:
            yield table_markdown(table)


def table_markdown(table: Table, *, level: int = 3) -> str:
    r"""One table with its title, what the paper says, and what was found.

    >>> print(table_markdown(Table(title="T", columns=("a", "b"), rows=(("x|y", 0.5),))))
    ### T
    <BLANKLINE>
    | a | b |
    | --- | --- |
    | x\|y | 0.5 |
    <BLANKLINE>
    """
    lines = [f"{'#' * level} {table.title}", ""]
    lines += [_row(table.columns), _row(tuple("---" for _ in table.columns))]
    lines += [_row(tuple(map(number, row))) for row in table.rows]
    lines += [f"\nPaper: {table.paper}"] if table.paper else []
    lines += [f"\nHere: {table.verdict}"] if table.verdict else []
    return "\n".join([*lines, ""])


def _row(cells: tuple[str, ...]) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |"
