"""A file with a Q-table: the values, and what they were learnt for.

The file is a NumPy archive (``.npz``) of two arrays: ``values`` (states, clusters) in float32, and
``metadata``, the bytes of a JSON document (`QTableMetadata`). Equal tables make equal files.
"""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from platforms.atomic_file import replacing
from platforms.board import Board
from platforms.errors import InvalidInput
from rm.policies.q_learning import LearningParameters
from rm.policies.q_state import Component, components, state_count
from traces.schema import board_digest

SUFFIX = ".npz"
KIND = "toprl"
SCHEMA_VERSION = 1
_WRITER = "'ilgov train-toprl'"
_AGAIN = f"make it again with {_WRITER}"


class QTableMetadata(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a table says of itself.

    `components` make the rows (`q_state`), the last one's level counting fastest; `actions` names
    the clusters, one a column. `board_sha256` is the digest of the board's description,
    `applications_sha256` that of the `applications` that it was learnt with, under `cooling`.
    `parameters` are those that learning goes on with, `training` the options of the training, its
    seed among them.
    """

    kind: str = KIND
    schema: int = SCHEMA_VERSION
    board: str
    board_sha256: str
    cooling: str
    applications: tuple[str, ...]
    applications_sha256: str
    components: tuple[Component, ...]
    actions: tuple[str, ...]
    parameters: LearningParameters
    training: dict[str, int | float]


@dataclass(frozen=True, kw_only=True)
class QTable:
    """`values` (states, clusters): the worth of running on a cluster in a state, float32."""

    metadata: QTableMetadata
    values: NDArray[np.float32]


class _Versioned(Struct):
    kind: str = ""
    schema: int = 0


def action_names(board: Board) -> tuple[str, ...]:
    """The columns of a table: the clusters."""
    return tuple(cluster.name for cluster in board.clusters)


def write_q_table(path: Path, table: QTable) -> None:
    """Write the table; the same bytes for the same table."""
    document = np.frombuffer(msgspec.json.encode(table.metadata), dtype=np.uint8)
    with replacing(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, values=table.values.astype("<f4"), metadata=document)


def read_q_table(path: Path) -> QTable:
    """Read a table and check that it is whole. InvalidInput says what is wrong with the file."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise InvalidInput(f"{path}: must be a Q-table ({found}); {_WRITER} writes such files")
    values, document = _arrays(path)
    metadata = _metadata(document, str(path))
    for problem in _problems(metadata, values):
        raise InvalidInput(f"{path}: {problem}; {_AGAIN}")
    return QTable(metadata=metadata, values=values)


def _arrays(path: Path) -> tuple[NDArray[Any], bytes]:
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("no NumPy archive")
        with np.load(path, allow_pickle=False) as arrays:
            return arrays["values"], arrays["metadata"].tobytes()
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidInput(f"{path}: must be a whole Q-table ({error}); {_AGAIN}") from error


def _metadata(document: bytes, origin: str) -> QTableMetadata:
    try:
        version = msgspec.json.decode(document, type=_Versioned)
        if (version.kind, version.schema) != (KIND, SCHEMA_VERSION):
            raise InvalidInput(
                f"{origin}: kind and schema must be {KIND!r} and {SCHEMA_VERSION} (got "
                f"{version.kind!r} and {version.schema}); {_AGAIN}"
            )
        return msgspec.json.decode(document, type=QTableMetadata)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{origin}: metadata must describe a Q-table ({error}); {_AGAIN}"
        ) from error


def _problems(metadata: QTableMetadata, values: NDArray[Any]) -> Iterator[str]:
    shape = state_count(metadata.components), len(metadata.actions)
    if values.dtype != np.dtype("<f4") or values.shape != shape:
        yield (
            f"values must be float32 of shape {shape}, as its metadata say "
            f"(got {values.dtype} of shape {values.shape})"
        )
    elif not np.isfinite(values).all():
        yield f"values must be finite (got {int((~np.isfinite(values)).sum())} that are not)"


def check_fits(table: QTable, board: Board, *, origin: str) -> None:
    """Raise InvalidInput where the table was learnt for another board or with other states."""
    said = table.metadata
    way_out = f"make one with 'ilgov train-toprl --board {board.name} --out FILE{SUFFIX}'"
    if said.board != board.name:
        raise InvalidInput(
            f"{origin}: board must be {board.name!r} (got {said.board!r}); {way_out}"
        )
    if said.board_sha256 != board_digest(board):
        raise InvalidInput(
            f"{origin}: board_sha256 must be that of the board {board.name!r} (got "
            f"{said.board_sha256[:12]}...): the board was described otherwise then; {way_out}"
        )
    if (said.components, said.actions) != (components(board), action_names(board)):
        raise InvalidInput(
            f"{origin}: components must be the states that this version of ilgov knows "
            f"(got {', '.join(part.name for part in said.components)}); {way_out}"
        )
