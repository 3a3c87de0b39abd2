"""Demonstrations as arrays, and their split by application.

A split by rows would put nearly the same row on both sides (one scenario gives a row per present
core), so that validation would measure memory. Here no application of the validation side occurs in
training, not even in the background.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from npu_runtime.policy_file import Feature
from oracle.labels import FEASIBLE, OCCUPIED
from platforms.errors import InvalidInput

KIND = "demonstrations"

_OF_THE_FILE = {"task", "pools"}

Array = NDArray[Any]


class Task(Struct, frozen=True, kw_only=True):
    """What a policy of these demonstrations is for: the board, the features in, the cores out.

    `board_sha256` is the digest of the board's description, `cooling` its setup in the traces, and
    `oracle` the parameters that the labels were made with. `constants` are further numbers that the
    policy needs beside its network.
    """

    board: str
    board_sha256: str
    cooling: str
    oracle: dict[str, str | int | float]
    features: tuple[Feature, ...]
    outputs: tuple[str, ...]
    constants: dict[str, float] = {}


class _Recording(Struct, frozen=True):
    """What the metadata tell of the recording behind the demonstrations."""

    pools: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Demonstrations:
    """Scenarios as the policy sees them, with the oracle's labels; arrays have one row each.

    Rows of one `scenario` differ in targets, demands and present core. `application` is the one
    that may move, `background` the others. `temp_c` (NaN where not free and feasible) and `status`
    (see `oracle.labels`) have one column per core. `pools` are the applications that were recorded
    only among themselves, where the recorder wrote them down.
    """

    task: Task
    pools: tuple[tuple[str, ...], ...] = ()
    scenario: NDArray[np.int32]
    application: NDArray[np.object_]
    background: NDArray[np.object_]
    features: NDArray[np.float64]
    labels: NDArray[np.float64]
    temp_c: NDArray[np.float64]
    status: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.application)

    @property
    def applications(self) -> tuple[str, ...]:
        """The names of the applications that may move, sorted."""
        return tuple(sorted(set(self.application)))

    def take(self, rows: NDArray[np.bool_]) -> "Demonstrations":
        """Only the rows where the mask `rows` is true."""
        names = [field.name for field in fields(self) if field.name not in _OF_THE_FILE]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})


@dataclass(frozen=True, kw_only=True)
class Split:
    """Demonstrations to learn from and demonstrations to judge by.

    `dropped_rows` are of training applications, but have validation applications in the background.
    """

    training: Demonstrations
    validation: Demonstrations
    validation_applications: tuple[str, ...]
    dropped_rows: int


def read_demonstrations(path: Path) -> Demonstrations:
    """The demonstrations in a Parquet file, as `traces.store` keeps them.

    Raises InvalidInput naming file, column, requirement and value.
    """
    from traces.store import read_table

    table, document = read_table(path, kind=KIND)
    try:
        task = msgspec.convert(document, Task)
        recording = msgspec.convert(document, _Recording)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"{path}: metadata must name board, features and outputs ({error}); "
            "make the demonstrations again with 'ilgov oracle labels'"
        ) from error
    cores = len(task.outputs)
    demonstrations = Demonstrations(
        task=task,
        pools=recording.pools,
        scenario=table["scenario"].to_numpy(),
        application=_objects(table["application"].to_pylist()),
        background=_objects(frozenset(names) for names in table["background"].to_pylist()),
        features=_matrix(path, table, "features", len(task.features)),
        labels=_matrix(path, table, "labels", cores),
        temp_c=_matrix(path, table, "temp_c", cores),
        status=_matrix(path, table, "status", cores),
    )
    _check(path, demonstrations)
    return demonstrations


def _objects(values: Iterable[Any]) -> NDArray[np.object_]:
    items = list(values)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _matrix(path: Path, table: Any, column: str, width: int) -> Array:
    """A column of vectors as a matrix with `width` columns."""
    found = table.schema.field(column).type.list_size
    if found != width:
        raise InvalidInput(
            f"{path}: column {column} must hold {width} values a row, as the metadata say "
            f"(got {found}); make the demonstrations again with 'ilgov oracle labels'"
        )
    flat = table[column].combine_chunks().flatten()
    values: Array = flat.to_numpy(zero_copy_only=False).reshape(-1, width)
    return values


def _check(path: Path, demonstrations: Demonstrations) -> None:
    """Raise InvalidInput where values contradict each other or do not fit float32."""
    status, temp_c = demonstrations.status, demonstrations.temp_c
    rules = (
        ("status", "0, 1 or 2", status, (status >= FEASIBLE) & (status <= OCCUPIED)),
        ("temp_c", "finite where status is 0", temp_c, (status != FEASIBLE) | np.isfinite(temp_c)),
        ("features", "of the size of a float32", demonstrations.features, None),
        ("labels", "of the size of a float32", demonstrations.labels, None),
    )
    for column, requirement, values, sound in rules:
        good = np.abs(values) < np.finfo(np.float32).max if sound is None else sound
        for row, place in np.argwhere(~good):
            raise InvalidInput(
                f"{path}: column {column} must be {requirement} "
                f"(got {values[row, place]} in row {row}, place {place}); "
                "make the demonstrations again with 'ilgov oracle labels'"
            )


def smallest_pool(demonstrations: Demonstrations) -> tuple[str, ...] | None:
    """The applications of the smallest pool (of equal ones the last); None without two pools.

    The recorder keeps them apart from all others for validation.
    """
    names = frozenset(demonstrations.applications)
    pools = [tuple(sorted(names.intersection(pool))) for pool in demonstrations.pools]
    pools = [pool for pool in pools if pool]
    return min(reversed(pools), key=len) if len(pools) > 1 else None


def choose_applications(
    demonstrations: Demonstrations, *, share: float, rng: np.random.Generator
) -> tuple[str, ...]:
    """A random `share` (0 to 1) of the applications, at least one and never all; sorted.

    Where some applications run only among themselves, as 'ilgov trace record' plans it, whole such
    groups are drawn as long as that comes near to `share`: then no row has to be dropped.
    Raises InvalidInput where there is a single application.
    """
    names = demonstrations.applications
    if len(names) == 1:
        raise InvalidInput(
            f"demonstrations must be of two or more applications to split (got {names[0]}); "
            "demonstrate more with 'ilgov oracle labels'"
        )
    count = min(max(1, round(share * len(names))), len(names) - 1)
    drawn = _whole_groups(_groups(demonstrations), count, rng)
    if not drawn:
        drawn = rng.choice(names, size=count, replace=False).tolist()
    return tuple(sorted(drawn))


def _whole_groups(
    groups: Sequence[frozenset[str]], count: int, rng: np.random.Generator
) -> frozenset[str]:
    """Groups in random order, each taken if it brings the number of names nearer to `count`."""
    drawn: frozenset[str] = frozenset()
    left = sum(map(len, groups))
    for place in rng.permutation(len(groups)):
        more = drawn | groups[place]
        if len(more) < left and abs(len(more) - count) < abs(len(drawn) - count):
            drawn = more
    return drawn


def _groups(demonstrations: Demonstrations) -> list[frozenset[str]]:
    """The applications that may move, grouped by who runs beside whom, directly or by others."""
    groups: list[frozenset[str]] = []
    rows = zip(demonstrations.application, demonstrations.background, strict=True)
    for together in {frozenset({name}) | others for name, others in rows}:
        met = [group for group in groups if group & together]
        groups = [group for group in groups if not group & together]
        groups.append(together.union(*met))
    moving = frozenset(demonstrations.applications)
    return sorted((group & moving for group in groups), key=sorted)


def split_by_application(
    demonstrations: Demonstrations, validation_applications: Sequence[str]
) -> Split:
    """Validation gets the rows of `validation_applications`, training those without any of them.

    Rows of other applications beside one of `validation_applications` are dropped and counted.
    Raises InvalidInput for names that do not occur and where a side would be empty.
    """
    names = demonstrations.applications
    _check_names(validation_applications, names)
    held_out = frozenset(validation_applications)
    validates = np.array([name in held_out for name in demonstrations.application], bool)
    mixed = np.array([bool(held_out & others) for others in demonstrations.background], bool)
    trains = ~validates & ~mixed
    if not trains.any():
        raise InvalidInput(
            "validation applications must leave rows to train on (got "
            f"{', '.join(sorted(held_out))} out of {', '.join(names)}, and {int(mixed.sum())} rows "
            "with them in the background); hold out fewer, or make more scenarios with "
            "'ilgov oracle labels'"
        )
    return Split(
        training=demonstrations.take(trains),
        validation=demonstrations.take(validates),
        validation_applications=tuple(sorted(held_out)),
        dropped_rows=int((~validates & mixed).sum()),
    )


def read_test(path: Path, split: Split) -> Demonstrations:
    """Demonstrations to judge by that had no part in training, from a file of their own.

    Raises InvalidInput where they are of another task, or where an application of theirs, in the
    background too, occurs in `split`.
    """
    test = read_demonstrations(path)
    _check_same_task(path, test.task, split.training.task)
    used = {*split.training.applications, *split.validation_applications}
    used = used.union(*split.training.background, *split.validation.background)
    both = used.intersection(frozenset(test.applications).union(*test.background))
    if both:
        raise InvalidInput(
            f"{path}: test applications, in the background too, must not occur in training or "
            f"validation (got {', '.join(sorted(both))}); record others for the test"
        )
    return test


def _check_same_task(path: Path, found: Task, expected: Task) -> None:
    """Raise InvalidInput unless board, features and outputs agree; the cooling may be another."""
    for name in ("board", "board_sha256", "features", "outputs"):
        if getattr(found, name) != getattr(expected, name):
            raise InvalidInput(
                f"{path}: test demonstrations must be of the board and features trained on "
                f"(got board {found.board} with another {name}); make them with the same "
                "'ilgov oracle labels' from traces of the same board file"
            )


def _check_names(chosen: Collection[str], names: Sequence[str]) -> None:
    unknown = sorted(set(chosen) - set(names))
    if unknown:
        raise InvalidInput(
            f"validation applications must be out of {', '.join(names)} (got {', '.join(unknown)})"
        )
    if not chosen:
        raise InvalidInput(
            f"validation applications must be at least one out of {', '.join(names)} (got none)"
        )
