"""Tests of the oracle as a judge of other policies' mappings."""

import numpy as np
import pytest
from msgspec.structs import replace

from oracle.judge import OracleJudge, make
from platforms.application import Job
from platforms.application_file import find_applications
from platforms.board_file import load_board
from platforms.platform import Decision, Migration
from platforms.simulated.simulated_board import SimulatedBoard

BOARD = load_board("hikey970")
PROFILE = replace(find_applications(["parsec"])[0], phases=())
LITTLE, BIG = BOARD.clusters
BEST_IPS = PROFILE.ips(BIG, BIG.freqs_hz[-1])


def simulated(*jobs: Job, cooling: str = "fan", run_s: float | None = None) -> SimulatedBoard:
    """The reference board a moment after these jobs came."""
    on = SimulatedBoard(
        BOARD,
        cooling=BOARD.cooling_named(cooling),
        rng=np.random.default_rng(0),
        jobs=jobs,
        run_s=run_s,
    )
    on.advance_to(0.05)
    return on


def job(number: int, *, share: float, core: int) -> Job:
    """An application that asks for this share of what a big core gives."""
    return Job(id=number, profile=PROFILE, target_ips=share * BEST_IPS, cores=(core,))


def verdicts_per_core(share: float, *, cooling: str = "fan") -> list[float | None]:
    """The excess of one application, core by core."""
    on = simulated(job(0, share=share, core=0), cooling=cooling)
    judge, found = OracleJudge(on), []
    for core in range(BOARD.core_count):
        on.apply(Decision((Migration(0, (core,)),)))
        verdict = judge()
        assert verdict is not None
        found.append(verdict.excess_k)
    return found


def test_the_best_core_has_no_excess_and_a_core_of_the_wrong_cluster_has_some() -> None:
    """A small target is met by a LITTLE core, cooler than by a big one."""
    found = verdicts_per_core(0.15)
    known = [excess_k for excess_k in found if excess_k is not None]
    assert pytest.approx(0.0, abs=1e-6) == min(known)
    assert len(known) == len(found)
    assert min(found[4:]) > max(found[:4]) >= 0.0  # type: ignore[type-var]


def test_the_operating_points_that_the_policy_chose_are_not_judged() -> None:
    """Only the mapping is: the points follow from it."""
    on = simulated(job(0, share=0.15, core=0))
    judge = OracleJudge(on)
    slow = judge()
    on.apply(Decision((), BOARD.highest_opps))
    assert slow == judge()


def test_a_core_that_cannot_meet_the_target_is_short() -> None:
    """However cool it is; who has no excess is never within 1 K."""
    on = simulated(job(0, share=0.95, core=0))
    judge = OracleJudge(on)
    verdict = judge()
    assert verdict is not None
    assert verdict.excess_k is None
    assert not verdict.within
    on.apply(Decision((Migration(0, (4,)),)))
    moved = judge()
    assert moved is not None
    assert moved.within


def test_what_nobody_can_serve_is_nobodys_fault() -> None:
    """The optimum misses it as well, by as much."""
    on = simulated(job(0, share=3.0, core=5))
    verdict = OracleJudge(on)()
    assert verdict is not None
    assert verdict.excess_k is not None


def test_a_worse_cooling_makes_the_same_mistake_dearer() -> None:
    """And the judge notices when it comes during a run."""
    on = simulated(
        job(0, share=0.4, core=4), job(1, share=0.1, core=5), cooling="fan-fails", run_s=4.0
    )
    judge = OracleJudge(on)
    before = judge()
    on.advance_to(3.0)
    after = judge()
    fresh = OracleJudge(on)()
    assert before is not None
    assert after is not None
    assert before.excess_k is not None
    assert after.excess_k is not None
    assert after.excess_k > before.excess_k > 0.0
    assert fresh == after


def test_an_idle_board_has_no_verdict() -> None:
    """There is nothing to decide; and the factory makes what it says."""
    assert make(simulated())() is None


def test_judging_changes_nothing_on_the_board() -> None:
    """An episode that is judged must be the one that is not."""
    watched, alone = (simulated(job(0, share=0.3, core=6)) for _ in range(2))
    judge = OracleJudge(watched)
    for time_s in (1.0, 2.0, 3.0):
        watched.advance_to(time_s)
        alone.advance_to(time_s)
        judge()
    assert alone.observe() == watched.observe()
    assert alone.temperatures_c.tolist() == watched.temperatures_c.tolist()


def test_where_the_optimum_itself_runs_away_there_is_nothing_to_compare_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No mapping is minus infinitely much warmer than it."""
    judge = OracleJudge(simulated(job(0, share=0.15, core=0)))
    assert judge() is not None
    monkeypatch.setattr(judge, "_optimum", lambda apps: (float("inf"), 0.0, True))
    assert judge() is None
