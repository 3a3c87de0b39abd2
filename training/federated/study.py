"""What a system's study measures: runs on a tuning grid, other work, and the tables they make."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from msgspec import Struct

from training.federated.system import Setup

Stage = Literal["tune", "final", "robust"]


class Size(Struct, frozen=True, kw_only=True):
    """How large a study is: rounds per run, seeds of the final runs, points of the tuning grid.

    `grid_points` is how many values of each tuned option are tried.
    """

    name: str
    rounds: int
    seeds: int
    grid_points: int


SMOKE = Size(name="smoke", rounds=3, seeds=2, grid_points=1)
DEFAULT = Size(name="default", rounds=20, seeds=5, grid_points=3)
FULL = Size(name="full", rounds=60, seeds=10, grid_points=5)


class Cell(Struct, frozen=True, kw_only=True):
    """One run: a setup for so many rounds; `drop_share` of the replies are lost at random."""

    stage: Stage
    setup: Setup
    rounds: int
    drop_share: float = 0.0


class Point(Struct, frozen=True, kw_only=True):
    """A run after a round; all but the accuracies are sums since its beginning."""

    round: int
    time_s: float
    waiting_s: float
    energy_j: float
    up_bytes: int
    down_bytes: int
    flops: float
    validation: float
    test: float


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of a cell: a point per round (round 0 first), and the largest memory needed.

    Accuracies that a stage does not need are looked at seldom and stand until the next look: the
    test accuracy is that of its round in final cells, and at the end in robust ones.
    `notes` are the sums of the rounds' notes.
    """

    cell: Cell
    points: tuple[Point, ...]
    peak_bytes: int
    notes: dict[str, float]


class Job(Struct, frozen=True, kw_only=True):
    """Work of a study that is no federated run: `call` is "module:function", its result JSON."""

    name: str
    call: str
    arguments: dict[str, Any]


class Table(Struct, frozen=True, kw_only=True):
    """A table of the report, with what it is read as and the paper's own figure beside it.

    Cells are text, or numbers that the report rounds. `paper` quotes what the paper prints (with
    baseline, metric and scale), `verdict` says in words what was found here.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    paper: str = ""
    verdict: str = ""


class Study(Protocol):
    """A system's study; `compare` runs it, keeps each result, and may be interrupted."""

    @property
    def grid(self) -> Mapping[str, Sequence[Any]]:
        """Options that are tuned, with their values; the same for every method of the system.

        Values ascend: a smaller size takes those in the middle (`Size.grid_points` of each).
        """
        ...

    def setups(self, size: Size, seed: int) -> Sequence[Setup]:
        """One per method (and task), with options that are not tuned; tuned ones are added."""
        ...

    def jobs(self, size: Size) -> Sequence[Job]:
        """Other work."""
        ...

    def tables(
        self, size: Size, outcomes: Sequence[Outcome], jobs: Mapping[str, Any]
    ) -> Sequence[Table]:
        """The system's own tables, from final and robust outcomes and the jobs' results."""
        ...


@dataclass(frozen=True, kw_only=True)
class PlainStudy:
    """A study of runs alone.

    Setups that differ in `scene_options` are shown in scenes of their own, not compared.
    """

    grid: Mapping[str, Sequence[Any]]
    make_setups: Callable[[Size, int], Sequence[Setup]]
    make_tables: Callable[[Size, Sequence[Outcome]], Sequence[Table]]
    scene_options: Sequence[str] = ()

    def setups(self, size: Size, seed: int) -> Sequence[Setup]:
        """See Study."""
        return self.make_setups(size, seed)

    def jobs(self, size: Size) -> Sequence[Job]:
        """None."""
        del size
        return ()

    def tables(
        self, size: Size, outcomes: Sequence[Outcome], jobs: Mapping[str, Any]
    ) -> Sequence[Table]:
        """See Study."""
        del jobs
        return self.make_tables(size, outcomes)
