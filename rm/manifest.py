"""What the outputs in a folder were made from, so that what is still true need not be made again.

A folder's ``steps.json`` has one entry per step. An entry without an output is a step that was
begun and not finished.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import msgspec
from msgspec import Struct

from platforms.atomic_file import replacing
from platforms.errors import InvalidInput

FILE_NAME = "steps.json"
PACKAGES = ("npu_runtime", "oracle", "platforms", "rm", "traces", "training")


class MadeFrom(Struct, frozen=True, kw_only=True):
    """What decides over a step's output: command, inputs, data files, source files.

    `data` and `source` are digests over board and application files and over ilgov's own code. All
    digests are SHA-256 in hexadecimal.
    """

    command: tuple[str, ...]
    inputs: dict[str, str]
    data: str
    source: str

    def changes_since(self, earlier: "MadeFrom") -> Iterator[str]:
        """Everything in which this differs from what it was earlier, in words."""
        if self.command != earlier.command:
            yield "the command line is another"
        for name in self.inputs:
            if self.inputs[name] != earlier.inputs.get(name):
                yield f"{name} is another"
        if self.data != earlier.data:
            yield "board or application files have changed"
        if self.source != earlier.source:
            yield "ilgov itself has changed"


class Entry(Struct, frozen=True):
    """A step: what it was made from, and the digest of what came out (None: never finished)."""

    made_from: MadeFrom
    output: str | None = None


def read_manifest(folder: Path) -> dict[str, Entry]:
    """The entries of a folder by the name of their step; none where the folder is new or empty.

    Raises InvalidInput for a folder of something else, whose files must not be replaced.
    """
    path = folder / FILE_NAME
    if not path.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(
                f"{folder}: must be a new or empty folder, or that of an earlier run "
                f"(got one without {FILE_NAME}); choose another"
            )
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path}: must be what an earlier run left there ({error}); choose another folder"
        ) from error


def write_manifest(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Replace the manifest of a folder."""
    text = msgspec.json.format(msgspec.json.encode(entries, order="sorted"), indent=2)
    with replacing(folder / FILE_NAME) as temporary:
        temporary.write_bytes(text + b"\n")


def reasons_to_make(entry: Entry | None, now: MadeFrom, output: Path) -> list[str]:
    """Why a step has to be done (again); empty where its output is what it would make."""
    if entry is None:
        return ["not made yet"]
    changes = list(now.changes_since(entry.made_from))
    if changes:
        return changes
    if entry.output is None:
        return ["interrupted last time"]
    if not output.exists():
        return [f"{output.name} is gone"]
    if path_digest(output) != entry.output:
        return [f"{output.name} was changed since"]
    return []


def source_digest() -> str:
    """Digest of ilgov's own code."""
    return _digest(_package_files(PACKAGES, ".py"))


def data_digest() -> str:
    """Digest of the board and application files that come with ilgov."""
    return _digest(_package_files(("platforms",), ".toml"))


def path_digest(path: Path) -> str:
    """Digest of a file's content, or of all names and contents in a folder."""
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file())
        return _digest((file.relative_to(path).as_posix(), file) for file in files)
    return _digest([("", path)])


def _package_files(packages: Iterable[str], suffix: str) -> Iterator[tuple[str, Path]]:
    for package in packages:
        spec = find_spec(package)  # finds a package without running any of it
        for place in (spec and spec.submodule_search_locations) or ():
            for file in Path(place).rglob(f"*{suffix}"):
                yield f"{package}/{file.relative_to(place).as_posix()}", file


def _digest(files: Iterable[tuple[str, Path]]) -> str:
    whole = hashlib.sha256()
    for name, file in sorted(files):
        whole.update(f"{name}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()
