"""Show on a terminal how far every seed is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn

from traces.progress import bars
from training.imitation import fit_data
from training.imitation.fit_data import Epoch


@contextmanager
def shown(
    console: Console, seeds: Sequence[int], max_epochs: int
) -> Iterator[fit_data.Progress | None]:
    """Yield what wants to hear of every epoch; None where `console` is no terminal."""
    columns = (
        TextColumn("seed {task.description}"),
        BarColumn(),
        TextColumn("epoch {task.completed} of at most {task.total}"),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeElapsedColumn(),
    )
    with bars(*columns, console=console) as progress:
        if progress is None:
            yield None
            return
        tasks = {
            seed: progress.add_task(str(seed), total=max_epochs, loss=float("nan"))
            for seed in seeds
        }

        def update(epoch: Epoch) -> None:
            progress.update(tasks[epoch.seed], completed=epoch.epoch, loss=epoch.validation_loss)

        yield update
