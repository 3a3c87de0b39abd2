"""What was measured so far, a line of JSON a point: an interrupted profile goes on from there."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from platforms.errors import InvalidInput
from rm.planner.capability import Place
from training.federated.profile.stopwatch import Timed


class Head(Struct, frozen=True, kw_only=True):
    """What must be the same for points to be of one profile."""

    worker: str
    board: str
    seconds: float


class Point(Struct, frozen=True, kw_only=True):
    """A setting at a place: how long and how large; watts above idle where there is a sensor."""

    knobs: dict[str, float]
    place: Place
    timed: Timed
    peak_w: float | None = None
    mean_w: float | None = None


class Points:
    """The points in a file; a last line that was cut off is passed over."""

    def __init__(self, path: Path, head: Head) -> None:
        """Read what is there. InvalidInput where it is of another profile."""
        self.path = path
        self._found: dict[tuple[object, ...], Point] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        if not whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(msgspec.json.encode(head) + b"\n")
            return
        self._check_head(whole[0], head)
        for line in whole[1:]:
            self._take(msgspec.json.decode(line, type=Point))
        path.write_bytes(b"".join(whole))

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Point]:
        return iter(self._found.values())

    def add(self, point: Point) -> None:
        """Keep it at once."""
        with self.path.open("ab") as file:
            file.write(msgspec.json.encode(point) + b"\n")
        self._take(point)

    def find(self, knobs: Mapping[str, float], place: Place) -> Point | None:
        """The point, None while it is not measured."""
        return self._found.get(_key(knobs, place))

    def _take(self, point: Point) -> None:
        self._found[_key(point.knobs, point.place)] = point

    def _check_head(self, line: bytes, head: Head) -> None:
        try:
            before = msgspec.json.decode(line, type=Head)
        except msgspec.MsgspecError as error:
            raise InvalidInput(f"{self.path} must be points of a profile ({error})") from error
        if before != head:
            raise InvalidInput(
                f"{self.path} must be of {head.worker} on {head.board}, {head.seconds:g} s a point "
                f"(got {before.worker} on {before.board}, {before.seconds:g} s); remove it to "
                "measure anew"
            )


def _key(knobs: Mapping[str, float], place: Place) -> tuple[object, ...]:
    return tuple(sorted(knobs.items())), place.unit, place.cores, place.freq_hz
