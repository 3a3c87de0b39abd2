"""Tests of ilgov with applications of several threads (teams): they move between clusters too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.application import Job
from platforms.decision_check import decision_problems
from platforms.platform import ApplicationReading, Decision, Migration, Observation
from rm.governor import Governor
from rm.mapping import threads as mapped_threads
from rm.mapping.rows import table
from rm.policies.ilgov import GAIN_PER_MOVE_K, Ilgov, make
from rm.policies.registry import PolicyContext
from tests.oracle.small_boards import board as small_board
from tests.platforms.programs import COMPUTE, MEMORY, simulated
from tests.rm.readings import HIKEY, observation, reading
from tests.rm.test_ilgov import (
    BIG_IS_HOT,
    BOARDS,
    LITTLE_IS_HOT,
    Network,
    light,
    policy,
    priors,
)

LITTLE, BIG = (0, 1, 2, 3), (4, 5, 6, 7)
TOP = (6, 8)


def team(number: int = 0, **fields: Any) -> ApplicationReading:
    """Three threads on the big cluster, each of which a tenth of any core serves."""
    sound: dict[str, Any] = {"cores": BIG, "threads": 3, "rate_ips": 3e9, "target_ips": 0.06e9}
    return reading(number, **(sound | fields))


def moved(governed: Ilgov, seen: Observation) -> dict[int, tuple[int, ...]]:
    """Who is moved where."""
    moves = governed.migrate(seen)
    threads = {app.id: app.threads for app in seen.applications}
    assert [] == list(decision_problems(HIKEY, threads, Decision(moves)))
    return {move.application_id: move.cores for move in moves}


# --- from cluster to cluster ----------------------------------------------------------------------


def test_a_team_alone_moves_to_the_cooler_cluster() -> None:
    """With nobody of one thread about."""
    assert {0: LITTLE} == moved(policy(BIG_IS_HOT), observation(team()))
    assert {} == moved(policy(LITTLE_IS_HOT), observation(team()))
    assert {0: BIG} == moved(policy(LITTLE_IS_HOT), observation(team(cores=LITTLE)))


@pytest.mark.parametrize(("heat_k", "expected"), [(0.9, {}), (1.1, {0: LITTLE})])
def test_every_thread_of_a_team_that_moves_must_gain_its_share(
    heat_k: float, expected: dict[int, tuple[int, ...]]
) -> None:
    """Three threads take three cores, and lose three caches."""
    assert expected == moved(
        policy({"cores_of_big": heat_k * GAIN_PER_MOVE_K}), observation(team())
    )


def test_a_team_that_the_cooler_cluster_cannot_serve_stays() -> None:
    """LITTLE cores are half as fast here, at the highest clock."""
    heavy = team(rate_ips=3 * 2.0e9, target_ips=3 * 1.9e9)
    assert {} == moved(policy(BIG_IS_HOT), observation(heavy, opp_index=TOP))


def test_threads_make_up_for_each_other() -> None:
    """Five on four cores reach what four cores give, though two have half of one each."""
    for target_ips, expected in ((3.0e9, {0: LITTLE}), (3.2e9, {})):
        asked = team(threads=5, rate_ips=4e9, target_ips=target_ips)
        assert expected == moved(policy(BIG_IS_HOT), observation(asked, opp_index=TOP))


def test_two_teams_may_change_places_in_one_decision() -> None:
    """Neither could go first: the heavy one fills the big cluster, the other one LITTLE."""
    heavy = team(0, cores=LITTLE, threads=4, rate_ips=4e9, target_ips=4 * 1.2e9)
    easy = team(1, threads=4, rate_ips=4e9, target_ips=4 * 0.5e9)
    seen = observation(heavy, easy, opp_index=TOP)
    assert {0: BIG, 1: LITTLE} == moved(policy({}), seen)


def test_a_team_goes_where_several_cores_are() -> None:
    """Not to a cluster of one core, however cool."""
    board = small_board(np.random.default_rng(0), sizes=(1, 4))
    asked = Network({f"cores_of_{board.clusters[1].name}": 1.0}, board)
    seen = observation(
        reading(0, cores=(1, 2, 3, 4), threads=3, target_ips=0.01e9),
        reading(1, cores=(1,), target_ips=0.01e9),
        board=board,
    )
    moves = Ilgov(board, asked, priors(board)).migrate(seen)
    assert [1] == [move.application_id for move in moves if move.cores == (0,)]
    assert all(set(move.cores) <= {1, 2, 3, 4} for move in moves if move.application_id == 0)


# --- beside others --------------------------------------------------------------------------------


def test_a_team_is_given_the_cores_that_single_ones_leave() -> None:
    """Which of equal cores the kernel takes is then no matter."""
    singles = [light(1, 0, target_ips=0.5e9), light(2, 4, target_ips=0.5e9)]
    asked = team(threads=2, target_ips=2 * 0.5e9, rate_ips=2e9)
    moves = moved(policy(BIG_IS_HOT), observation(asked, *singles))
    taken = {0} | set(moves[2])
    assert set(LITTLE) - taken == set(moves[0])


def test_single_ones_keep_out_of_a_teams_way() -> None:
    """Who would take a core from threads that need it finds another, and they make room for him."""
    threads = team(cores=LITTLE, target_ips=2.4e9)
    alone = light(1, 4, target_ips=0.7e9)
    moves = moved(policy(BIG_IS_HOT), observation(threads, alone, opp_index=TOP))
    assert {1} == {number for number in moves if number != 0}
    assert set(moves.get(0, LITTLE)) == set(LITTLE) - set(moves[1])


def test_the_present_mapping_is_rated_as_it_is() -> None:
    """A team that may use two cores only, of which one is taken, has not what it would be given."""
    threads: dict[str, Any] = {"threads": 2, "target_ips": 2 * 0.9e9}
    apart = team(cores=(0, 1, 2), rate_ips=2e9, **threads), light(1, 0, target_ips=0.9e9)
    assert {} == moved(policy({}), observation(*apart, opp_index=TOP))
    shared = light(1, 0, rate_ips=0.5e9, target_ips=0.9e9)
    crowded = team(cores=(0, 1), rate_ips=1.5e9, **threads), shared
    assert {0: (1, 2, 3)} == moved(policy({}), observation(*crowded, opp_index=TOP))


def test_a_team_that_stands_still_stays() -> None:
    """It is not judged."""
    still = team(rate_ips=0.0)
    assert {} == moved(policy(BIG_IS_HOT), observation(still))
    assert {1} == set(moved(policy(BIG_IS_HOT), observation(still, light(1, 5))))


def test_a_team_that_was_given_other_cores_is_looked_at_anew() -> None:
    """What is settled is settled for the cores that teams have."""
    network = Network({})
    governed = policy({})
    governed._scorer = network
    single = light(1, 0)
    for cores in (BIG, BIG, (4, 5)):
        before = network.batches
        governed.migrate(observation(team(cores=cores), single))
        searched = network.batches > before
        assert searched == (before == 0 or cores != BIG)


def test_question_one_moves_a_team_as_well() -> None:
    """By itself, for the comparison with TOP-IL."""
    seen = observation(team(), light(1, 0), light(2, 1))
    moves = moved(policy(BIG_IS_HOT, question="one"), seen)
    assert [0] == list(moves)
    assert set(moves[0]) <= set(LITTLE)
    assert {0: LITTLE} == moved(policy(BIG_IS_HOT, question="one"), observation(team()))


def test_without_a_team_nothing_of_this_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is of one thread alone costs what it did."""

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(mapped_threads, "with_teams", refuse)
    assert {0} == set(moved(policy(BIG_IS_HOT), observation(light(0, 4))))
    with pytest.raises(AssertionError):
        moved(policy(BIG_IS_HOT), observation(light(0, 4), team(1)))


# --- any board, whatever the network says ---------------------------------------------------------


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(BOARDS)))
def test_teams_get_cores_that_they_may_have(seed: int, name: str) -> None:
    """Up to eight applications, half of them teams, on all or some cores of their clusters."""
    board, rng = BOARDS[name], np.random.default_rng(seed)
    heat_k = {feature.name: float(rng.normal()) for feature in table(board)}
    least = 1 + any(len(cluster.cores) > 1 for cluster in board.clusters)
    roomy = [cluster.cores for cluster in board.clusters if len(cluster.cores) >= least]
    apps = []
    for number in range(int(rng.integers(1, 9))):
        several = bool(rng.random() < 0.5)
        home: Sequence[int] = roomy[int(rng.integers(len(roomy)))]
        wide = int(rng.integers(least, len(home) + 1)) if several else 1
        cores = rng.choice(home if several else board.core_count, size=wide, replace=False)
        apps.append(
            reading(
                number,
                cores=tuple(sorted(cores.tolist())),
                threads=int(rng.integers(2, 6)) if several else 1,
                rate_ips=float(10 ** rng.uniform(7, 10)),
                target_ips=float(10 ** rng.uniform(7, 10)),
            )
        )
    question: Literal["joint", "one"] = "joint" if rng.random() < 0.7 else "one"
    asked = Network(heat_k, board)
    moves = Ilgov(board, asked, priors(board), question=question).migrate(
        observation(*apps, board=board)
    )
    threads = {app.id: app.threads for app in apps}
    assert [] == list(decision_problems(board, threads, Decision(moves, board.lowest_opps)))
    present = {app.id: app.cores for app in apps}
    assert all(present[move.application_id] != move.cores for move in moves)
    assert len({move.application_id for move in moves}) == len(moves)


# --- on a simulated board -------------------------------------------------------------------------


@dataclass
class Heard:
    """The last observation, and the least attained of any target from 5 s on."""

    last: Observation | None = None
    least: float = np.inf

    def __call__(self, seen: Observation, _: Decision) -> None:
        """Listen to a round."""
        self.last = seen
        if seen.time_s > 5.0:
            reached = [app.rate_ips / app.target_ips for app in seen.applications]
            self.least = min(self.least, *reached)


def test_the_shipped_network_brings_steady_teams_to_the_little_cluster_and_serves_all() -> None:
    """Simulated: both started on the big one."""
    jobs = [
        Job(id=0, profile=COMPUTE, target_ips=2 * 0.3e9, threads=2, instructions=1e15),
        Job(id=1, profile=MEMORY, target_ips=2 * 0.1e9, threads=2, instructions=1e15),
        Job(id=2, profile=COMPUTE, target_ips=1.6e9, instructions=1e15),
    ]
    board = simulated(*jobs)
    board.apply(Decision((Migration(0, BIG), Migration(1, BIG), Migration(2, (4,)))))
    heard = Heard()
    governor = Governor(board, make(PolicyContext(board.board, board)), board.clock, listener=heard)
    governor.run(15.0)
    assert heard.last is not None
    homes = {app.id: HIKEY.cluster_of_core[app.cores[0]] for app in heard.last.applications}
    assert {0: 0, 1: 0, 2: 1} == homes
    assert heard.least >= 0.99
    assert governor.migrations <= 8
