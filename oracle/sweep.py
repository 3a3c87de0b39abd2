"""Sweeps: many scenarios in shards, computed on an engine, kept as they come, joined at the end."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from rm.manifest import source_digest
from traces.parts import FinishedJobs, Part, Parts, is_made, join_parts, make_parts
from traces.store import write_table

DIGEST_KEY = "sweep_sha256"
"""Where a file's metadata say from what it was swept."""


class SweptFile(Struct, frozen=True, kw_only=True):
    """A file `out` of a `kind` (`traces.schema`) that a sweep makes.

    `content` is everything that decides over its rows, as JSON has it. `scenarios` are cut into
    shards of `shard_size`, which decides over the way only. `source` is the digest of ilgov's code:
    shards of another version are not taken over.
    """

    out: Path
    kind: str
    content: Mapping[str, Any]
    scenarios: int
    shard_size: int
    source: str = msgspec.field(default_factory=source_digest)

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return _digest(self.content)

    @property
    def parts(self) -> Parts:
        """The shards, as they are kept until the file is whole."""
        return Parts(
            out=self.out,
            kind=self.kind,
            count=-(-self.scenarios // self.shard_size),
            digest=_digest([self.digest, self.scenarios, self.shard_size, self.source]),
            stem="shard",
        )

    @property
    def is_made(self) -> bool:
        """Whether the file is there, of this content."""
        return is_made(self.out, kind=self.kind, digest_key=DIGEST_KEY, digest=self.digest)

    def shard(self, number: int) -> range:
        """The scenarios of a shard.

        >>> out = Path("labels.parquet")
        >>> file = SweptFile(out=out, kind="joint", content={}, scenarios=10, shard_size=4)
        >>> [file.shard(number) for number in range(3)]
        [range(0, 4), range(4, 8), range(8, 10)]
        """
        start = number * self.shard_size
        return range(start, min(start + self.shard_size, self.scenarios))


def _digest(content: object) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()


class Swept(Struct, frozen=True):
    """All rows and counts of a sweep, and how many of its shards were there already."""

    rows: Part
    shards: int
    reused_shards: int


def sweep(
    file: SweptFile,
    function: Callable[[Any], bytes],
    job_of: Callable[[int], Any],
    *,
    engine: FinishedJobs,
    on_done: Callable[[int], None] = lambda scenarios: None,
) -> Swept:
    """Compute the shards that are missing; `on_done` hears how many scenarios are done.

    `function` makes a shard's bytes (`Parts.encode`) out of its job, `job_of` the job of a shard,
    when the engine has room for it.
    """
    parts, done = file.parts, 0

    def count(shards: Sequence[int]) -> None:
        nonlocal done
        done += sum(len(file.shard(shard)) for shard in shards)
        on_done(done)

    reused = make_parts(parts, function, job_of, finished_jobs=engine, on_done=count)
    return Swept(join_parts(parts), parts.count, reused)


def finish(file: SweptFile, swept: Swept, metadata: Mapping[str, Any]) -> None:
    """Write the whole file, and remove its shards."""
    about = {**metadata, DIGEST_KEY: file.digest, "figures": swept.rows.figures}
    write_table(file.out, swept.rows.table, kind=file.kind, metadata=about)
    file.parts.forget()
