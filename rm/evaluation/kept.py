"""Finished episodes, kept until the whole evaluation is: who stops it loses those under way only.

An episode is found again by everything that it depends on, ilgov's own code included. The process
that ran it writes it, as a whole or not at all, so Ctrl-C and kill -9 are safe at any time.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from platforms.atomic_file import replacing
from rm.evaluation.episode import EpisodeSetup, Finished, run_timed_episode
from rm.manifest import path_digest, source_digest
from rm.policies.registry import policy_entry
from traces.workers import run_jobs

FOLDER = "unfinished"
"""Below the folder of the results; gone when these are written."""


Setup = TypeVar("Setup", bound=Any)
"""What an episode depends on: a Struct that names a `policy` and, or None, its `policy_file`."""

Done = TypeVar("Done")


class KeptEpisode(Struct, Generic[Setup], frozen=True):
    """An episode to run, and where it is kept."""

    setup: Setup
    path: Path


class KeptEpisodes:
    """The finished episodes of an evaluation that writes into `out`."""

    def __init__(self, out: Path, *, entry: Callable[[str], EntryPoint] = policy_entry) -> None:
        """Nothing is written before an episode is finished; `entry` finds a policy's maker."""
        self._folder = out / FOLDER
        self._entry = entry
        self._files: dict[Path, str] = {}

    def place(self, setup: Setup) -> KeptEpisode[Setup]:
        """Where this episode is kept."""
        network = "" if setup.policy_file is None else self._file_digest(setup.policy_file)
        described = msgspec.json.encode(replace(setup, policy_file=None), order="sorted")
        maker = _distribution(self._entry(setup.policy))
        whole = hashlib.sha256(described)
        for part in (network, maker, self._ilgov):
            whole.update(f"\0{part}".encode())
        return KeptEpisode(setup, self._folder / f"{whole.hexdigest()}.msgpack")

    def forget(self) -> None:
        """Remove them all."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file_digest(self, file: Path) -> str:
        if file not in self._files:
            self._files[file] = path_digest(file)
        return self._files[file]

    @cached_property
    def _ilgov(self) -> str:
        """Digest of ilgov's code, of the networks that come with it, of what computes for it."""
        spec = find_spec("rm.policies")
        places = (spec and spec.submodule_search_locations) or ()
        shipped = [Path(place) / "shipped" for place in places]
        networks = [path_digest(folder) for folder in shipped if folder.is_dir()]
        return " ".join([source_digest(), *networks, version("numpy")])


def _distribution(point: EntryPoint) -> str:
    """Who made a policy, as ``name version``."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else ""


def read_kept(episode: KeptEpisode[Any], kind: type[Done]) -> Done | None:
    """What was kept of an episode, of this kind, or None where nothing was, or it is damaged."""
    try:
        return msgspec.msgpack.decode(episode.path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def keep(episode: KeptEpisode[Any], done: Done) -> Done:
    """Keep what came of an episode, as a whole or not at all; returns it."""
    with replacing(episode.path) as temporary:
        temporary.write_bytes(msgspec.msgpack.encode(done))
    return done


def run_missing(
    episodes: Sequence[KeptEpisode[Setup]],
    kind: type[Done],
    run: Callable[[KeptEpisode[Setup]], Done],
    *,
    workers: int,
    on_done: Callable[[Done], None],
) -> list[Done]:
    """What came of every episode, in their order: as it was kept, or `run` now."""
    found = {
        episode.path: done for episode in episodes if (done := read_kept(episode, kind)) is not None
    }
    for done in found.values():
        on_done(done)
    missing = [episode for episode in episodes if episode.path not in found]
    made = run_jobs(run, missing, workers=workers, on_done=on_done)
    found |= {episode.path: done for episode, done in zip(missing, made, strict=True)}
    return [found[episode.path] for episode in episodes]


def run_kept(episode: KeptEpisode[EpisodeSetup]) -> Finished:
    """Run an episode and keep it."""
    return keep(episode, run_timed_episode(episode.setup))
