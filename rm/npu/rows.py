"""The rows that back ends are compared on, and the policy file that says what is right."""

from pathlib import Path

import numpy as np
from msgspec import Struct

from npu_runtime.artifact import sha256
from npu_runtime.backend import Rows
from npu_runtime.errors import PolicyFileError
from npu_runtime.measure.parity import drawn_rows, right_scores
from npu_runtime.policy_file import PolicyFile, read_policy_file
from platforms.errors import InvalidInput

DRAWN = 4000
"""Rows from all over the features' ranges, where no file of rows is given."""


class Asked(Struct, frozen=True, kw_only=True):
    """Rows, the scores that are right for them, and where both come from in words."""

    rows: Rows
    right: Rows
    origin: str


def asked(file: PolicyFile, path: Path | None) -> Asked:
    """The rows in the file at `path`, or the policy's own and drawn ones.

    Of a policy of lower precision those are right that it was made from says; where that is not
    beside it, the policy's own rows are all that can be judged. Raises InvalidInput.
    """
    known, expected = file.metadata.parity_rows()
    exact = made_from(file)
    if exact is None and path is None:
        origin = f"{len(known)}, the policy's own (what it was made from is not beside it)"
        return Asked(rows=known, right=expected, origin=origin)
    if exact is None:
        raise InvalidInput(
            f"--rows must go with a policy whose right scores are known: put the file beside "
            f"{file.path} that it was made from"
        )
    if path is not None:
        rows = read_rows(path, len(file.metadata.features))
        return Asked(rows=rows, right=right_scores(exact, rows), origin=f"{len(rows)}, {path}")
    rows = np.concatenate([known, drawn_rows(file, DRAWN)])
    origin = f"{len(rows)}, the policy's own {len(known)} and {DRAWN} drawn from the whole ranges"
    return Asked(rows=rows, right=right_scores(exact, rows), origin=origin)


def made_from(file: PolicyFile) -> PolicyFile | None:
    """The policy of full precision: the file itself, or what lies beside it under its name."""
    if not file.metadata.precision or file.metadata.precision == "float32":
        return file
    path = file.path.with_name(f"{file.path.name.partition('.')[0]}.onnx")
    try:
        found = read_policy_file(path)
    except PolicyFileError:
        return None
    return found if sha256(found.content) == file.metadata.made_from_sha256 else None


def read_rows(path: Path, width: int) -> Rows:
    """Feature rows (R, `width`) in a ``.npy`` or ``.csv`` file; raises InvalidInput."""
    try:
        if path.suffix == ".npy":
            found = np.load(path, allow_pickle=False)
        else:
            found = np.loadtxt(path, delimiter=",", ndmin=2)
        rows: Rows = np.asarray(found, np.float32)
    except (OSError, TypeError, ValueError) as error:
        raise InvalidInput(f"--rows {path} must be a .npy or .csv file of numbers ({error})") from (
            error
        )
    if rows.ndim != 2 or rows.shape[1] != width or not len(rows):
        raise InvalidInput(
            f"--rows {path} must have {width} columns, one per feature (got {rows.shape})"
        )
    if not np.isfinite(rows).all():
        raise InvalidInput(f"--rows {path} must be finite")
    return rows
