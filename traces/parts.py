"""A file that takes long to make, as parts: each is kept when done, all are joined at the end.

Who is interrupted or killed in between goes on with the parts that are there: the same command
computes the others, and the file comes out the same, byte for byte.
"""

import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, overload

import pyarrow as pa
from msgspec import Struct

from platforms.atomic_file import replacing
from platforms.errors import InvalidInput
from traces.store import encode_table, read_table

_KEY = "part"
"""Where a part's metadata say which part it is."""

Item = TypeVar("Item")


class FinishedJobs(Protocol):
    """Something that computes jobs somewhere, as `traces.workers.finished_jobs` does."""

    def __call__(
        self, function: Callable[[Any], bytes], jobs: Sequence[Any], /
    ) -> Generator[tuple[int, bytes], None, None]:
        """Number and result of each job, as they come."""
        ...


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of the file `out` of a `kind` (`traces.schema`): `count` of them, named by `stem`.

    `digest` stands for all that decides over their content and their borders: parts of another
    digest lie in another folder.
    """

    out: Path
    kind: str
    count: int
    digest: str
    stem: str = "part"

    @property
    def folder(self) -> Path:
        """Where they lie until the file is whole."""
        return self.out.with_name(f"{self.out.name}.parts-{self.digest[:12]}")

    def path(self, number: int) -> Path:
        """The file of one part, counted from 0."""
        return self.folder / f"{self.stem}-{number:06d}.parquet"

    def encode(
        self,
        number: int,
        table: pa.Table,
        metadata: Mapping[str, Any],
        figures: Mapping[str, int] | None = None,
    ) -> bytes:
        """A part as bytes, made where it is computed; `figures` are counts to add up."""
        about = {
            "digest": self.digest,
            "number": number,
            "rows": table.num_rows,
            "figures": figures or {},
        }
        return encode_table(table, kind=self.kind, metadata={**metadata, _KEY: about})

    def read(self, number: int) -> "Part | None":
        """A part that is there and sound; a power cut may leave an empty or torn file."""
        try:
            table, document = read_table(self.path(number), kind=self.kind, may_be_empty=True)
        except InvalidInput:
            return None
        about = document.get(_KEY, {})
        found = about.get("digest"), about.get("number"), about.get("rows")
        if found != (self.digest, number, table.num_rows):
            return None
        return Part(table, about["figures"])

    def missing(self) -> list[int]:
        """The parts that have to be computed (again)."""
        return [number for number in range(self.count) if self.read(number) is None]

    def forget(self) -> None:
        """Remove the parts that are there."""
        shutil.rmtree(self.folder, ignore_errors=True)


class Part(Struct, frozen=True):
    """The rows of a part, and what was counted while it was made."""

    table: pa.Table
    figures: dict[str, int]


class LazyJobs(Sequence[Item], Generic[Item]):
    """The jobs of some parts, each put together when it is asked for: not all at once in memory."""

    def __init__(self, numbers: Sequence[int], job_of: Callable[[int], Item]) -> None:
        """For the parts `numbers`, where `job_of` makes the job of a part."""
        self._numbers, self._job_of = numbers, job_of

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Item: ...

    @overload
    def __getitem__(self, index: slice) -> "LazyJobs[Item]": ...

    def __getitem__(self, index: int | slice) -> "Item | LazyJobs[Item]":
        if isinstance(index, slice):
            return LazyJobs(self._numbers[index], self._job_of)
        return self._job_of(self._numbers[index])


def is_made(path: Path, *, kind: str, digest_key: str, digest: str) -> bool:
    """Whether a sound file of this kind is there, made of what `digest` stands for."""
    try:
        _, document = read_table(path, kind=kind)
    except InvalidInput:
        return False
    return bool(document.get(digest_key) == digest)


def make_parts(
    parts: Parts,
    function: Callable[[Any], bytes],
    job_of: Callable[[int], Any],
    *,
    finished_jobs: FinishedJobs,
    on_done: Callable[[Sequence[int]], None] = lambda numbers: None,
) -> int:
    """Compute the parts that are missing; how many were there already.

    `function` makes a part's bytes (`Parts.encode`) out of its job; `finished_jobs` calls it, in
    other processes or on other machines, and need not share a disk with this process: only this one
    writes. `on_done` hears which parts are done: first those that were there, then one by one.
    After a kill, the parts in the making are lost, at most one for each worker.
    """
    parts.folder.mkdir(parents=True, exist_ok=True)
    try:
        missing = parts.missing()
        on_done(sorted(set(range(parts.count)) - set(missing)))
        with closing(finished_jobs(function, LazyJobs(missing, job_of))) as finished:
            for index, content in finished:
                with replacing(parts.path(missing[index])) as temporary:
                    temporary.write_bytes(content)
                on_done([missing[index]])
    finally:
        _remove_half_written(parts.folder)
    return parts.count - len(missing)


def join_parts(parts: Parts) -> Part:
    """All rows in the order of the parts, and the sums of what was counted.

    Raises InvalidInput where a part is not there (any more).
    """
    tables, sums = [], dict[str, int]()
    for number in range(parts.count):
        part = parts.read(number)
        if part is None:
            raise InvalidInput(f"{parts.path(number)}: must be there and sound; start again")
        tables.append(part.table)
        for name, value in part.figures.items():
            sums[name] = sums.get(name, 0) + value
    return Part(pa.concat_tables(tables), sums)


def _remove_half_written(folder: Path) -> None:
    """What a killed process left behind of `platforms.atomic_file`'s work; an empty folder too."""
    for path in folder.glob(".*.part"):
        path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()
