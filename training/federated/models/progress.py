"""How far the making of models is: a bar per model where somebody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Told = Callable[[str, int, int], None]
"""Hears the name of a model, its steps done, and its steps in all."""


def silent(name: str, done: int, total: int) -> None:
    """Hear and say nothing."""


@contextmanager
def shown() -> Iterator[Told]:
    """Yield what shows progress on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn

    from traces.progress import bars

    columns = (
        TextColumn("pre-training {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with bars(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if progress is None:
                return
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done)

        yield show
