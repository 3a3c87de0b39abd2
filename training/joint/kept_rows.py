"""Finished rows of an ablation, kept until all are: who stops it loses the one under way only.

A row is found again by everything that it depends on, ilgov's own code included.
"""

import hashlib
import shutil
from pathlib import Path

import msgspec

from platforms.atomic_file import replacing
from rm.manifest import source_digest
from training.joint.ablation import Episodes, Row
from training.joint.options import JointOptions
from training.joint.pipeline import Task

FOLDER = "unfinished"
"""Below the folder of the results; gone when these are written."""


class KeptRows:
    """The finished rows of an ablation that writes into `out`."""

    def __init__(self, out: Path, task: Task, options: JointOptions, episodes: Episodes) -> None:
        """Nothing is written before a row is finished."""
        self.folder = out / FOLDER
        described = msgspec.json.encode([*task, options, episodes], order="sorted")
        self._digest = hashlib.sha256(described + source_digest().encode()).hexdigest()

    def find(self, variant: str, seed: int) -> Row | None:
        """The row as it was kept, or None where it was not, or is damaged."""
        try:
            return msgspec.json.decode(self._path(variant, seed).read_bytes(), type=Row)
        except (OSError, msgspec.DecodeError):
            return None

    def keep(self, row: Row) -> None:
        """As a whole or not at all."""
        with replacing(self._path(row.variant, row.seed)) as temporary:
            temporary.write_bytes(msgspec.json.encode(row))

    def forget(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, variant: str, seed: int) -> Path:
        name = f"{variant}-{seed}-{self._digest[:16]}.json"
        return self.folder / name.replace(" ", "-")
