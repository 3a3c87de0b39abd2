"""Play the rounds of a run and write down what each of them was."""

from collections.abc import Callable, Mapping
from itertools import chain

from msgspec import Struct

from training.federated.exchange import Exchange
from training.federated.fleet import Fleet, present
from training.federated.study import Point
from training.federated.system import Played, Server


class Record(Struct, frozen=True, kw_only=True):
    """A run so far: a point per round (round 0 first), its largest memory, its notes' sums."""

    points: tuple[Point, ...]
    peak_bytes: int = 0
    notes: dict[str, float] = {}

    @property
    def rounds(self) -> int:
        """How many rounds have been played."""
        return self.points[-1].round


class Looks(Struct, frozen=True, kw_only=True):
    """Every how many rounds an accuracy is looked at; in any case before the first and at the last.

    In between, a point has the accuracy of the last look: looking takes a model of some size as
    long as training it for a round.
    """

    validation: int = 1
    test: int = 1


ALWAYS = Looks()


def start(server: Server) -> Record:
    """The record of a run whose first round is yet to come."""
    point = Point(
        round=0,
        time_s=0.0,
        waiting_s=0.0,
        energy_j=0.0,
        up_bytes=0,
        down_bytes=0,
        flops=0.0,
        validation=server.accuracy("validation"),
        test=server.accuracy("test"),
    )
    return Record(points=(point,))


def run_rounds(
    server: Server,
    exchange: Exchange,
    fleet: Fleet,
    *,
    rounds: int,
    seed: int,
    before: Record | None = None,
    looks: Looks = ALWAYS,
    on_round: Callable[[Record, Played], None] = lambda record, played: None,
) -> Record:
    """Play until round `rounds` is done; `before` is what was played already, None for nothing.

    A `server` that was restored and the record of that moment go on to the same record as a run
    without a break. `looks` says when accuracies are looked at. `on_round` hears of each round that
    was played, with the record up to it.
    """
    record = before or start(server)
    for round_ in range(record.rounds + 1, rounds + 1):
        devices = present(fleet, round_, seed)
        played = server.play(round_, devices, exchange)
        record = after(record, played, server, looks, is_last=round_ == rounds)
        on_round(record, played)
    return record


def after(record: Record, played: Played, server: Server, looks: Looks, *, is_last: bool) -> Record:
    """The record with one more round."""
    last = record.points[-1]
    round_ = last.round + 1

    def accuracy(split: str, every: int, known: float) -> float:
        return server.accuracy(split) if is_last or round_ % every == 0 else known

    point = Point(
        round=round_,
        time_s=last.time_s + played.time_s,
        waiting_s=last.waiting_s + played.waiting_s,
        energy_j=last.energy_j + played.energy_j,
        up_bytes=last.up_bytes + played.up_bytes,
        down_bytes=last.down_bytes + played.down_bytes,
        flops=last.flops + played.flops,
        validation=accuracy("validation", looks.validation, last.validation),
        test=accuracy("test", looks.test, last.test),
    )
    return Record(
        points=(*record.points, point),
        peak_bytes=max(record.peak_bytes, played.peak_bytes),
        notes=_sums(record.notes, played.notes),
    )


def _sums(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """Values of equal names added.

    >>> _sums({"steps": 2.0}, {"steps": 1.0, "merges": 4.0})
    {'steps': 3.0, 'merges': 4.0}
    """
    names = dict.fromkeys(chain(first, second))
    return {name: first.get(name, 0.0) + second.get(name, 0.0) for name in names}
