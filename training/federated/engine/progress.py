"""What a run in another process tells of itself: lines of JSON in a file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from training.federated.engine.inprocess import Failure
from training.federated.rounds import Record
from training.federated.study import Point
from training.federated.system import Played


class Connected(Struct, frozen=True, kw_only=True, tag="connected"):
    """So many devices are there, and these are not."""

    devices: int
    missing: tuple[str, ...]


class Round(Struct, frozen=True, kw_only=True, tag="round"):
    """A round was played."""

    point: Point
    participants: int
    loss: float | None
    failures: tuple[Failure, ...]


class Ended(Struct, frozen=True, kw_only=True, tag="ended"):
    """The run is over; `error` says why, if it was not because it is done.

    A `mistake` is one of the user's, which needs no `trace`.
    """

    error: str = ""
    trace: str = ""
    mistake: bool = False


Event = Connected | Round | Ended


class Progress:
    """Writes events to a file, each on its line and at once, and tells them on."""

    def __init__(self, path: Path, hear: Callable[[Event], None] = lambda event: None) -> None:
        self._path, self._hear = path, hear

    def connected(self, devices: int, missing: Sequence[str]) -> None:
        """Devices have come, or the wait is over."""
        self._tell(Connected(devices=devices, missing=tuple(missing)))

    def round(self, record: Record, played: Played, failures: Sequence[Failure]) -> None:
        """A round was played."""
        self._tell(
            Round(
                point=record.points[-1],
                participants=played.participants,
                loss=played.loss,
                failures=tuple(failures),
            )
        )

    def done(self) -> None:
        """All rounds were played."""
        self._tell(Ended())

    def failed(self, error: str, trace: str, *, mistake: bool = False) -> None:
        """The run ends with an error."""
        self._tell(Ended(error=error, trace=trace, mistake=mistake))

    def _tell(self, event: Event) -> None:
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(event) + b"\n")
        self._hear(event)


class Listener:
    """Reads events as they come."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def news(self) -> list[Event]:
        """What was told since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        return [msgspec.json.decode(line, type=Event) for line in whole.splitlines()]
