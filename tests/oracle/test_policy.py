"""Tests of the oracle as a policy: the yardstick of the others."""

from typing import Any, cast

import msgspec
import numpy as np
import pytest

from oracle.joint import JointSearch, Solution
from oracle.policy import OraclePolicy, make
from oracle.whatif import Wanted
from platforms.application import Job, Phase
from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import Decision, Platform
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.episode import EpisodeSetup, run_episode
from rm.evaluation.workload import WorkloadParameters
from rm.policies.registry import PolicyContext, policy_factory

BOARD = load_board("hikey970")
PROFILES = find_applications(["parsec"])
LIGHT = WorkloadParameters(arrivals=6, interarrival_s=8.0, shortest_work_s=5, longest_work_s=20)


def simulated(*jobs: Job) -> SimulatedBoard:
    """The reference board a moment after these jobs came."""
    on = SimulatedBoard(
        BOARD, cooling=BOARD.cooling_named("fan"), rng=np.random.default_rng(0), jobs=jobs
    )
    on.advance_to(0.05)
    return on


def job(number: int, *, share: float = 0.3, program: int = 0) -> Job:
    """An application with a target that a big core can meet."""
    profile = PROFILES[program]
    big = BOARD.clusters[1]
    target_ips = share * profile.ips(big, big.freqs_hz[-1])
    return Job(id=number, profile=profile, target_ips=target_ips)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_misses_no_target_that_the_board_can_meet(seed: int) -> None:
    """A light load fits the board at any time, whatever comes."""
    setup = EpisodeSetup(
        board=BOARD,
        cooling="fan",
        policy="oracle",
        seed=seed,
        profiles=PROFILES,
        workload=LIGHT,
        duration_s=60.0,
    )
    outcome = run_episode(setup)
    assert len(outcome.applications) >= 5
    assert [] == [app for app in outcome.applications if app.missed]


def test_it_is_cooler_than_the_same_targets_met_by_speed() -> None:
    """Otherwise it would be no optimum."""
    given: dict[str, Any] = {"board": BOARD, "cooling": "fan", "seed": 1, "profiles": PROFILES}
    given |= {"workload": LIGHT, "duration_s": 60.0}
    ours = run_episode(EpisodeSetup(policy="oracle", **given))
    others = run_episode(EpisodeSetup(policy="gts-ondemand", **given))
    assert ours.mean_temp_c < others.mean_temp_c - 1.0
    assert ours.peak_temp_c < others.peak_temp_c


def test_its_decisions_are_the_joint_searchs() -> None:
    """All moves at once, and the points for where everybody is."""
    on = simulated(job(0), job(1, share=0.8), job(2, share=0.1, program=3))
    policy = OraclePolicy(on)
    moves = policy.migrate(on.observe())
    on.apply(Decision(moves, policy.scale(on.observe())))
    assert moves
    assert {move.application_id for move in moves} <= {0, 1, 2}
    assert () == policy.migrate(on.observe())
    on.apply(Decision((), policy.scale(on.observe())))
    on.advance_to(1.0)
    on.observe()
    on.advance_to(2.0)
    for app in on.observe().applications:
        assert app.rate_ips >= 0.999 * app.target_ips


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[list[Wanted]]:
    """The questions that the search is asked, from now on."""
    asked: list[list[Wanted]] = []
    solve = JointSearch.solve

    def noted(self: JointSearch, apps: list[Wanted]) -> Solution:
        asked.append(apps)
        return solve(self, apps)

    monkeypatch.setattr(JointSearch, "solve", noted)
    return asked


def steady(number: int, **changes: Any) -> Job:
    """An application without phases."""
    one = job(number)
    profile = msgspec.structs.replace(one.profile, phases=())
    return msgspec.structs.replace(one, profile=profile, **changes)


def governed(on: SimulatedBoard, *times_s: float) -> OraclePolicy:
    """A policy that decided at these times."""
    policy = OraclePolicy(on)
    for time_s in times_s:
        on.advance_to(time_s)
        on.apply(Decision(policy.migrate(on.observe()), policy.scale(on.observe())))
    return policy


def test_equal_situations_are_solved_once(solved: list[list[Wanted]]) -> None:
    """Twenty times a second, for the points, is no time to search."""
    governed(simulated(steady(0), steady(1, arrival_s=0.5)), 0.1, 0.2, 0.3, 0.6, 0.7)
    assert [1, 2] == [len(apps) for apps in solved]


def test_the_end_of_an_application_is_another_question(solved: list[list[Wanted]]) -> None:
    """Who is left may have it better now."""
    governed(simulated(steady(0), steady(1, instructions=1e8)), 0.1, 1.0, 1.1)
    assert [[0, 1], [0]] == [[app.id for app in apps] for apps in solved]


def test_a_change_of_phase_is_another_question(solved: list[list[Wanted]]) -> None:
    """It needs another frequency, perhaps another core."""
    slow = Phase(instructions=2e8, cpi_scale=1.5, stall_scale=1.0)
    fast = Phase(instructions=1e12, cpi_scale=0.7, stall_scale=1.0)
    changing = msgspec.structs.replace(PROFILES[0], phases=(slow, fast))
    governed(simulated(msgspec.structs.replace(job(0), profile=changing)), 0.1, 1.0, 1.1)
    assert [[0], [1]] == [[app.phase for app in apps] for apps in solved]


def test_a_fan_that_fails_is_another_question(solved: list[list[Wanted]]) -> None:
    """The same applications on the same cores, on a board that sheds less heat."""
    on = SimulatedBoard(
        BOARD,
        cooling=BOARD.cooling_named("fan-fails"),
        rng=np.random.default_rng(0),
        jobs=(steady(0),),
        run_s=4.0,
    )
    governed(on, 0.5, 1.0, 1.5, 2.5, 3.0)
    assert 2 == len(solved)


def test_a_move_has_to_gain_more_than_it_costs() -> None:
    """From a core of the wrong cluster it pays, at 0.1 K a move; at 100 K no move does."""
    on = simulated(steady(0, cores=(4,)))
    assert OraclePolicy(on).migrate(on.observe())
    assert () == OraclePolicy(on, move_k=100.0).migrate(on.observe())


def test_a_platform_that_is_not_simulated_is_refused() -> None:
    """No sensor shows what it needs to know; the command line prints this and exits with 2."""
    context = PolicyContext(BOARD, cast(Platform, object()))
    with pytest.raises(InvalidInput) as caught:
        make(context)
    expected = "policy oracle needs a simulated board: it reads what no sensor shows"
    assert expected == str(caught.value)


def test_it_is_found_by_its_name() -> None:
    """As a policy of a third party would be."""
    assert "oracle" == policy_factory("oracle")(PolicyContext(BOARD, simulated())).name
