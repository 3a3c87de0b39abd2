"""The virtual clock: rounds are as long and as costly as the work that is counted."""

import statistics

import pytest

from training.federated.clock import PATIENCE, Turn, settle, speed, turn
from training.federated.cost.stand_in import Factors
from training.federated.fleet import Device


def device(name: str = "a", **changes: float) -> Device:
    """1 GFLOP/s, 1 MB/s up, 2 MB/s down, 10 W busy, 1 W idle."""
    values = {
        "flops_per_s": 1e9,
        "memory_bytes": 10**9,
        "up_bytes_per_s": 1e6,
        "down_bytes_per_s": 2e6,
        "active_power_w": 10.0,
        "idle_power_w": 1.0,
    } | changes
    return Device(name=name, kind="toy", **values)  # type: ignore[arg-type]


def a_turn(device_: Device, flops: float = 2e9, factors: Factors | None = None) -> Turn:
    """Two GFLOP, 3 MB up, 4 MB down."""
    more = {} if factors is None else {"factors": factors}
    return turn(device_, flops=flops, up_bytes=3e6, down_bytes=4e6, round_=1, seed=0, **more)


def test_a_turn_is_computing_sending_and_receiving() -> None:
    """Each by its own rate; idle power while the network is busy."""
    found = a_turn(device())
    assert (2, 3, 2, 7) == (found.compute_s, found.up_s, found.down_s, found.total_s)
    assert 10 * 2 + 1 * 5 == found.energy_j


def test_factors_make_a_small_model_as_costly_as_the_large_one() -> None:
    """FLOPs and bytes apart."""
    found = a_turn(device(), factors=Factors(flops=3, bytes=2))
    assert (6, 6, 4) == (found.compute_s, found.up_s, found.down_s)


def test_a_round_lasts_until_the_slowest_and_the_others_wait_at_idle_power() -> None:
    """7 s and 8 s: one waits a second."""
    fast, slow = device("fast"), device("slow", flops_per_s=2e9 / 3)
    turns = [a_turn(fast), a_turn(slow)]
    found = settle(turns, present=[fast, slow])
    assert 8 == pytest.approx(found.time_s)
    assert 1 == pytest.approx(found.waiting_s)
    assert sum(turn.energy_j for turn in turns) + 1 == pytest.approx(found.energy_j)


def test_a_missing_reply_is_waited_for_and_its_work_is_paid() -> None:
    """The server does not know; who failed spent its energy, and is not said to wait."""
    fast, slow = device("fast"), device("slow", flops_per_s=5e8)
    turns = [a_turn(fast), a_turn(slow)]
    found = settle(turns, present=[fast, slow], failed=("slow",))
    assert PATIENCE * 9 == pytest.approx(found.time_s)
    assert PATIENCE * 9 - 7 == pytest.approx(found.waiting_s)
    paid = sum(turn.energy_j for turn in turns) + PATIENCE * 9 - 7
    assert paid == pytest.approx(found.energy_j)


def test_a_round_in_which_nobody_took_part_takes_no_time() -> None:
    """Nobody was asked."""
    found = settle([], present=[device()])
    assert (0, 0, 0) == (found.time_s, found.waiting_s, found.energy_j)


def test_speed_drifts_around_its_mean_with_the_spread_that_is_said() -> None:
    """Stationary: a tenth of spread is one over rounds, and over devices in any one round."""
    drifting = device(drift=0.1)
    over_rounds = [speed(drifting, 200, seed) for seed in range(400)]
    assert 1 == pytest.approx(statistics.mean(over_rounds), abs=0.02)
    assert 0.1 == pytest.approx(statistics.stdev(over_rounds), abs=0.015)


def test_speed_changes_slowly_and_is_the_same_whenever_it_is_asked() -> None:
    """Neighbouring rounds resemble each other, so that a server can learn."""
    drifting = device(drift=0.2)
    found = [speed(drifting, round_, 0) for round_ in range(1, 300)]
    assert found[10] == speed(drifting, 11, 0)
    assert 0.6 < statistics.correlation(found[:-1], found[1:]) < 0.95
    assert 1 == speed(device(), 17, 0)
