"""A training of ilgov that takes a second or two, and what it makes."""

from functools import cache
from pathlib import Path

from msgspec.structs import replace

from platforms.board_file import load_board
from training.joint.options import JointOptions
from training.joint.pipeline import Step, Task, Trained, train
from training.joint.ship import write
from training.joint.task import task

HIKEY = load_board("hikey970")

TINY = JointOptions(
    situations=10,
    list_length=6,
    dagger_rounds=1,
    dagger_episodes=3,
    dagger_episode_s=25.0,
    dagger_every_s=5.0,
    epochs=3,
    hidden=(4,),
)
"""All that a training does, once."""

QUICK = replace(TINY, situations=120, list_length=16, dagger_rounds=0, epochs=25, hidden=(16,))
"""Enough to learn which cluster is cooler."""


def silent(_: Step) -> None:
    """Nobody watches."""


@cache
def hikey_task() -> Task:
    """Learn from cBench under the fan."""
    return task(HIKEY, "fan", ["cbench"], seed=0)


def trained(options: JointOptions, *, workers: int = 1) -> Trained:
    """What comes of it."""
    return train(hikey_task(), options, workers=workers, progress=silent)


def written(options: JointOptions, out: Path, *, workers: int = 1) -> Path:
    """The policy file of a training."""
    write(trained(options, workers=workers), hikey_task(), options, out)
    return out
