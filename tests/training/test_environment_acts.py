"""Tests of what an agent does, and of what it is paid for."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board
from platforms.decision_check import decision_problems
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Decision, Migration, TemperatureReading
from tests.rm.readings import HIKEY, observation, reading
from training.environment.actions import ActionCodec, Dvfs, Moves
from training.environment.reward import Reward, shortfall
from training.environment.slots import Slots
from training.environment.steering import Interface, Steering

SLOTS = 3
ONE_THREAD = reading(5, cores=(2,))
FOUR_THREADS = reading(6, cores=(0, 1, 2, 3), threads=4)
SLOTTED = (ONE_THREAD, FOUR_THREADS, None)


def codec(moves: Moves = "all", dvfs: Dvfs = "qos") -> ActionCodec:
    """What actions mean on the HiKey 970 with three slots."""
    return ActionCodec(HIKEY, slots=SLOTS, moves=moves, dvfs=dvfs)


def moved(action: Any, moves: Moves = "all") -> tuple[Migration, ...]:
    """The migrations of an action."""
    chosen = codec(moves)
    return chosen.migrations(chosen.numbers(action), SLOTTED)


@pytest.mark.parametrize(
    ("moves", "dvfs", "space"),
    [
        ("all", "qos", spaces.MultiDiscrete([9, 9, 9])),
        ("all", "agent", spaces.MultiDiscrete([9, 9, 9, 7, 9])),
        ("one", "qos", spaces.Discrete(25)),
        ("one", "agent", spaces.MultiDiscrete([25, 7, 9])),
    ],
)
def test_the_space_has_a_choice_for_everything(
    moves: Moves, dvfs: Dvfs, space: spaces.Space[Any]
) -> None:
    """One number alone is no vector: DQN and its kin take nothing else."""
    assert space == codec(moves, dvfs).space


def test_zeros_move_nobody() -> None:
    """Doing nothing is the first action of every choice."""
    assert () == moved(np.zeros(3, dtype=np.int64))
    assert () == moved(np.int64(0), "one")


def test_a_number_names_the_core_after_it() -> None:
    """0 is taken by those who stay."""
    assert (Migration(5, (0,)),) == moved(np.array([1, 0, 0]))
    assert (Migration(5, (7,)),) == moved(np.array([8, 0, 0]))
    assert (Migration(5, (7,)),) == moved(8, "one")
    assert (Migration(6, (4, 5, 6, 7)),) == moved(1 + 8 + 6, "one")


def test_a_move_to_where_one_is_is_none() -> None:
    """It would cost nothing, and count as a migration."""
    assert () == moved(np.array([3, 0, 0]))
    assert () == moved(np.array([0, 2, 0]))


def test_an_empty_slot_cannot_be_moved() -> None:
    """Its choice means nothing."""
    assert () == moved(np.array([0, 0, 5]))
    assert () == moved(24, "one")


def test_several_threads_go_to_the_whole_cluster() -> None:
    """The board lets them have nothing less."""
    assert (Migration(6, (4, 5, 6, 7)),) == moved(np.array([0, 5, 0]))


def test_several_threads_stay_where_a_cluster_has_one_core_only() -> None:
    """The board would refuse, and the episode would break off."""
    little, big = HIKEY.clusters
    board = replace(HIKEY, clusters=(little, replace(big, cores=(4,))))
    chosen = ActionCodec(board, slots=2, moves="all", dvfs="qos")
    assert () == chosen.migrations([0, 5], (ONE_THREAD, FOUR_THREADS))


@given(st.data(), st.sampled_from(["hikey970", "hikey960", "rk3588"]))
def test_no_action_of_the_space_is_illegal_on_the_board(data: st.DataObject, name: str) -> None:
    """A random agent must never be stopped by an error."""
    board = load_board(name)
    moves = data.draw(st.sampled_from(["all", "one"]))
    chosen = ActionCodec(board, slots=SLOTS, moves=moves, dvfs="agent")
    numbers = [data.draw(st.integers(0, choice.count - 1)) for choice in chosen.choices]
    assert numbers == chosen.numbers(np.array(numbers))
    decision = Decision(chosen.migrations(numbers, SLOTTED), chosen.opps(numbers))
    assert not list(decision_problems(board, {5: 1, 6: 4}, decision))


@pytest.mark.parametrize("action", [9, [9, 0, 0], [0, 0], [-1, 0, 0], [0.5, 0, 0], "up", None])
def test_what_is_no_action_is_refused(action: Any) -> None:
    """With the space that it should have come from."""
    with pytest.raises(InvalidInput, match="action must be one of MultiDiscrete"):
        codec().numbers(action if not isinstance(action, list) else np.array(action))


def test_clocks_stay_as_they_are_until_the_agent_chooses_and_hold_then() -> None:
    """Also in the rounds between two steps."""
    steering = Steering(HIKEY, Interface(slots=SLOTS, dvfs="agent"))
    now = observation(ONE_THREAD, opp_index=(3, 4))
    steering.see(now)
    assert (3, 4) == steering.scale(now)
    steering.act(np.array([0, 0, 0, 6, 1]))
    assert (6, 1) == steering.scale(now)
    assert (6, 1) == steering.scale(observation(opp_index=(6, 1)))


def test_the_loop_of_the_governor_keeps_the_clocks_otherwise() -> None:
    """One round after another, one point at a time, after the rounds that it sits out."""
    steering = Steering(HIKEY, Interface(slots=SLOTS))
    slow = reading(rate_ips=0.5e9, target_ips=1e9, cores=(4,))
    now = observation(slow, opp_index=(0, 3))
    assert [(0, 3), (0, 3), (0, 4)] == [steering.scale(now) for _ in range(3)]


def rates(*shares: float) -> tuple[ApplicationReading, ...]:
    """Applications that run at these shares of what counts as met."""
    return tuple(
        reading(number, rate_ips=0.95e9 * share, target_ips=1e9)
        for number, share in enumerate(shares)
    )


def test_an_application_is_paid_for_by_what_it_lacks() -> None:
    """Nothing from 95 % of its target on: that is where a miss begins."""
    assert 0.0 == shortfall(observation(*rates(1.0, 1.5)))
    assert 0.25 + 1.0 == pytest.approx(shortfall(observation(*rates(0.75, 0.0, 2.0))))


def test_the_reward_of_a_step_is_the_mean_of_its_rounds() -> None:
    """45 degC by every reading, 20 K above the reference; half of the rounds one lacks half."""
    terms = Reward().terms([observation(*rates(0.5)), observation(*rates(1.0))])
    assert -0.2 == pytest.approx(terms.temperature)
    assert -0.25 == pytest.approx(terms.misses)
    assert -0.45 == pytest.approx(terms.total)


def test_the_hottest_of_several_sensors_counts() -> None:
    """A cool sensor beside a hot one is no comfort."""
    board = load_board("rk3588")
    sensors = tuple(
        TemperatureReading(sensor.name, 40.0 + number, 0.0)
        for number, sensor in enumerate(board.sensors)
    )
    now = replace(observation(board=board), temperatures=sensors)
    highest_c = 40.0 + len(board.sensors) - 1
    assert -0.01 * (highest_c - 25.0) == pytest.approx(Reward().terms([now]).temperature)


def test_a_runaway_is_worse_than_any_step_that_it_prevents() -> None:
    """However early: the worst of all steps, as many as are left, with all who ran."""
    running = rates(0.0, 0.0, 0.0)
    slots = Slots(SLOTS)
    assert 3 == sum(app is not None for app in slots.seat(running))
    hottest = (TemperatureReading("cls0", 150.0, 0.0),)
    worst = Reward().terms([replace(observation(*running), temperatures=hottest)])
    assert 40 * worst.total == pytest.approx(Reward().after_runaway(40, 3).total)
