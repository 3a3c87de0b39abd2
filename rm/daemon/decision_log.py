"""One line of JSON per decision: what was seen, what was chosen, what became of it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from platforms.board import Board
from platforms.platform import Decision, Observation
from rm.daemon.line_file import LineFile

logger = logging.getLogger(__name__)

Which = Literal["off", "changes", "all"]
"""Which rounds get a line: none, those that change something or are refused, or every one."""


class SeenApplication(Struct, frozen=True, kw_only=True):
    """An application as the policy saw it; rates in instructions/s, L2 accesses/s."""

    id: int
    name: str
    rate_ips: float
    target_ips: float
    l2d_per_s: float
    cores: tuple[int, ...]
    threads: int


class SeenJob(Struct, frozen=True, kw_only=True):
    """A training job after the decision; `held_by` is what stops it against its will.

    `rate` is in samples/s, `samples` are all that it did. `meets`: whether its round will be done
    by its deadline, in `finish_s` (None: never); both None between two rounds.
    """

    id: int
    name: str
    state: str
    samples: float
    rate: float
    held_by: str | None
    meets: bool | None
    finish_s: float | None


class GrantedJob(Struct, frozen=True, kw_only=True):
    """What was granted: knobs, cores or an accelerator; neither of these pauses the job."""

    id: int
    setting: int
    knobs: dict[str, float]
    cores: tuple[int, ...]
    accelerator: str | None
    cpu_max: float | None


class TrainingSeen(Struct, frozen=True, kw_only=True):
    """What a line says of training, and why it was so decided."""

    jobs: tuple[SeenJob, ...] = ()
    grants: tuple[GrantedJob, ...] = ()
    reason: str | None = None


NO_TRAINING = TrainingSeen()


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a decision: `moved` applications, and in words what was refused and why."""

    moved: tuple[int, ...] = ()
    refused: tuple[str, ...] = ()


class DecisionRecord(Struct, frozen=True, kw_only=True):
    """A line of the log.

    `time_unix_s` is the wall clock's, `round` counts DVFS rounds since the start. `temp_c` and
    `age_s` are by sensor; `freq_hz`, `cap_hz` and `choice_hz` by cluster in the board's order;
    `utilisation` by core. `gain` is what the policy promises of its migrations, in its own unit.
    `limited_by` says what cut the policy's choice. `jobs` are the training jobs, `grants` what was
    granted to them, `grants_reason` why. `loop_s` is the round's duration.
    """

    time_unix_s: float
    round: int
    state: str
    reason: str | None
    temp_c: dict[str, float]
    age_s: dict[str, float]
    freq_hz: tuple[int, ...]
    cap_hz: tuple[int, ...]
    utilisation: tuple[float, ...]
    applications: tuple[SeenApplication, ...]
    choice_hz: tuple[int, ...] | None
    migrations: dict[str, tuple[int, ...]]
    gain: float | None
    limited_by: str | None
    moved: tuple[int, ...]
    refused: tuple[str, ...]
    jobs: tuple[SeenJob, ...]
    grants: tuple[GrantedJob, ...]
    grants_reason: str | None
    loop_s: float


class DecisionLog:
    """Appends records to a file that is rotated; a full disk costs lines, never a round.

    `lost_lines` counts them. `is_off`: no round ever gets a line.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        which: Which = "changes",
        max_bytes: int = 10_000_000,
        kept_files: int = 3,
        wall_clock: Callable[[], float],
    ) -> None:
        """`path` None writes nothing, whatever `which` says; OSError where it cannot be opened."""
        self._which: Which = "off" if path is None else which
        self.is_off = self._which == "off"
        self._wall_clock = wall_clock
        self._encode = msgspec.json.Encoder().encode
        self.lost_lines = 0
        self._file: LineFile | None = None
        if path is not None and which != "off":
            self._file = LineFile(path, max_bytes=max_bytes, kept_files=kept_files)

    def wants(self, *, changes: bool) -> bool:
        """Whether a round gets a line, where `changes` says if it changed or refused something."""
        return self._which == "all" or (self._which == "changes" and changes)

    def write(
        self,
        board: Board,
        observation: Observation,
        decision: Decision,
        outcome: Outcome,
        *,
        number: int,
        state: str,
        reason: str | None,
        gain: float | None,
        limited_by: str | None,
        loop_s: float,
        training: TrainingSeen = NO_TRAINING,
    ) -> None:
        """Write the line of a round."""
        if self._file is None:
            return
        choice = decision.opp_index
        line = DecisionRecord(
            time_unix_s=self._wall_clock(),
            round=number,
            state=state,
            reason=reason,
            temp_c={t.sensor: t.temp_c for t in observation.temperatures},
            age_s={t.sensor: t.age_s for t in observation.temperatures},
            freq_hz=board.freqs_hz_at(observation.opp_index),
            cap_hz=board.freqs_hz_at(observation.opp_cap),
            utilisation=observation.core_utilisation,
            applications=_applications(observation),
            choice_hz=None if choice is None else board.freqs_hz_at(choice),
            migrations={str(move.application_id): move.cores for move in decision.migrations},
            gain=gain,
            limited_by=limited_by,
            moved=outcome.moved,
            refused=outcome.refused,
            jobs=training.jobs,
            grants=training.grants,
            grants_reason=training.reason,
            loop_s=loop_s,
        )
        try:
            self._file.append(self._encode(line) + b"\n")
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError) -> None:
        """A line could not be written: say so once, count the rest."""
        if not self.lost_lines:
            logger.warning("the decision log cannot be written, its lines are lost: %s", error)
        self.lost_lines += 1

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _applications(observation: Observation) -> tuple[SeenApplication, ...]:
    return tuple(
        SeenApplication(
            id=app.id,
            name=app.name,
            rate_ips=app.rate_ips,
            target_ips=app.target_ips,
            l2d_per_s=app.l2d_per_s,
            cores=app.cores,
            threads=app.threads,
        )
        for app in observation.applications
    )
