"""Tests of a run's rounds: what is summed, what a break changes, who takes part."""

from collections.abc import Sequence

import numpy as np

from tests.training.federated.toy import SYSTEM, ToyServer, toy_setup
from training.federated.engine.inprocess import InProcess
from training.federated.exchange import Exchange
from training.federated.fleet import Device, Fleet, load_fleet, present
from training.federated.rounds import Looks, Record, run_rounds
from training.federated.system import Played

SETUP = toy_setup(seed=5)
FLEET = load_fleet(SETUP.fleet, SETUP.devices)


def run(server: ToyServer, rounds: int, before: Record | None = None) -> Record:
    """Play with the toy."""
    exchange = InProcess(SYSTEM, SETUP)
    return run_rounds(server, exchange, FLEET, rounds=rounds, seed=SETUP.seed, before=before)


def test_a_run_has_a_point_before_its_first_round() -> None:
    """Else nobody knows where it came from."""
    record = run(ToyServer(SETUP), 0)
    assert 0 == record.rounds
    assert [0] == [point.round for point in record.points]
    assert (0.0, 0.0, 0) == (
        record.points[0].time_s,
        record.points[0].flops,
        record.points[0].up_bytes,
    )
    assert record.points[0].validation < 0.5


def test_the_points_are_sums_and_the_memory_is_the_largest() -> None:
    """All but the accuracies are counted since the beginning."""
    heard: list[tuple[Record, Played]] = []
    record = run_rounds(
        ToyServer(SETUP),
        InProcess(SYSTEM, SETUP),
        FLEET,
        rounds=6,
        seed=SETUP.seed,
        on_round=lambda record, played: heard.append((record, played)),
    )
    plays = [played for _, played in heard]
    last = record.points[-1]
    assert [1, 2, 3, 4, 5, 6] == [record.rounds for record, _ in heard]
    assert record == heard[-1][0]
    assert sum(played.time_s for played in plays) == last.time_s
    assert sum(played.waiting_s for played in plays) == last.waiting_s
    assert sum(played.energy_j for played in plays) == last.energy_j
    assert sum(played.up_bytes for played in plays) == last.up_bytes
    assert sum(played.down_bytes for played in plays) == last.down_bytes
    assert sum(played.flops for played in plays) == last.flops
    assert max(played.peak_bytes for played in plays) == record.peak_bytes
    assert {"steps": sum(played.notes["steps"] for played in plays)} == record.notes
    assert last.test > 0.8


def test_a_run_that_goes_on_from_a_state_is_the_run_without_a_break() -> None:
    """Bit for bit: that is what a checkpoint is for."""
    whole = run(ToyServer(SETUP), 6)
    first = ToyServer(SETUP)
    half = run(first, 3)
    second = ToyServer(SETUP)
    second.restore(first.state())
    assert whole == run(second, 6, before=half)
    assert half == run(second, 3, before=half), "nothing is left to play"


class Nosy(ToyServer):
    """A server that remembers who was there."""

    seen: list[tuple[str, ...]]

    def play(self, round_: int, present: Sequence[Device], exchange: Exchange) -> Played:
        """See Server."""
        self.seen.append(tuple(device.name for device in present))
        return super().play(round_, present, exchange)


def test_only_devices_that_are_present_are_offered() -> None:
    """The fleet and the seed decide who is there, the same in every engine."""
    server = Nosy(SETUP)
    server.seen = []
    rare = [
        Device(**{name: getattr(one, name) for name in one.__struct_fields__} | {"availability": p})
        for one, p in zip(FLEET.devices, (1.0, 0.5, 0.5, 0.2), strict=True)
    ]
    fleet = Fleet(name="rare", devices=tuple(rare))
    run_rounds(server, InProcess(SYSTEM, SETUP), fleet, rounds=8, seed=3)
    expected = [tuple(d.name for d in present(fleet, round_, 3)) for round_ in range(1, 9)]
    assert expected == server.seen
    assert len(set(expected)) > 1


def test_training_makes_the_toy_better() -> None:
    """The toy is to tests what data are to studies: it must be learnable."""
    record = run(ToyServer(SETUP), 10)
    assert record.points[-1].validation > record.points[0].validation + 0.3
    assert np.isfinite(record.points[-1].test)


def test_accuracies_are_looked_at_as_often_as_asked_and_at_the_end() -> None:
    """In between stands what was seen last; everything else is the same."""
    often = run(ToyServer(SETUP), 7)
    seldom = run_rounds(
        ToyServer(SETUP),
        InProcess(SYSTEM, SETUP),
        FLEET,
        rounds=7,
        seed=SETUP.seed,
        looks=Looks(validation=3, test=100),
    )
    seen = [point.validation for point in often.points]
    expected = [seen[i] for i in (0, 0, 0, 3, 3, 3, 6, 7)]
    assert expected == [point.validation for point in seldom.points]
    tests = [often.points[0].test] * 7 + [often.points[7].test]
    assert tests == [point.test for point in seldom.points]
    assert [p.time_s for p in often.points] == [p.time_s for p in seldom.points]
