"""Show how far the training is: a bar per step where somebody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn

from traces.progress import bars
from training.joint.pipeline import Step


@contextmanager
def shown() -> Iterator[Callable[[Step], None]]:
    """Yield what wants to hear of every step; silent where stderr is no terminal."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with bars(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: Step) -> None:
            if progress is None:
                return
            if step.name not in tasks or step.done == 0:
                tasks[step.name] = progress.add_task(step.name, total=step.total)
            progress.update(tasks[step.name], completed=step.done)

        yield show
