"""Show on a terminal how far a long command is; be silent where nobody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


@contextmanager
def bars(*columns: str | ProgressColumn, console: Console) -> Iterator[Progress | None]:
    """Progress bars that vanish when the block ends; None where `console` is no terminal."""
    if not console.is_terminal:
        yield None
        return
    with Progress(*columns, console=console, transient=True) as progress:
        yield progress


@contextmanager
def counted(
    what: str, total: int, *, console: Console | None = None
) -> Iterator[Callable[[int], None]]:
    """Yield what wants to hear how many of `total` are done: ``recording ---- 3/12 0:00:40``.

    It is shown on `console`, by default the one behind stderr.
    """
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with bars(*columns, console=console or Console(stderr=True)) as progress:
        if progress is None:
            yield lambda done: None
            return
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
