"""Tests of one episode: what it depends on, and what it leaves behind when all goes wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from platforms.application_file import find_applications
from platforms.board import Board, Leakage
from platforms.board_file import load_board
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.episode import EpisodeSetup, run_episode
from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.results import read_results, write_results
from rm.evaluation.workload import WorkloadParameters
from rm.governor import Periods

BOARD = load_board("hikey970")
PROFILES = find_applications(["parsec"])
POLICIES = ("gts-ondemand", "gts-powersave", "oracle")
SHORT = WorkloadParameters(arrivals=8, interarrival_s=4.0, shortest_work_s=4, longest_work_s=20)


def episode(policy: str = "gts-ondemand", *, seed: int = 1, **changes: Any) -> EpisodeOutcome:
    """An episode of half a minute on the reference board."""
    given: dict[str, Any] = {
        "board": BOARD,
        "cooling": "fan",
        "profiles": PROFILES,
        "workload": SHORT,
        "duration_s": 30.0,
    }
    return run_episode(EpisodeSetup(policy=policy, seed=seed, **given | changes))


def what_came(outcome: EpisodeOutcome) -> list[tuple[int, str, float, float]]:
    """The part of an episode that no policy has a say in."""
    return [(app.id, app.name, app.arrival_s, app.target_ips) for app in outcome.applications]


def test_the_workload_is_the_same_whatever_the_policy_and_the_cooling() -> None:
    """Differences are the policy's own; only the seed draws other applications."""
    expected = what_came(episode())
    assert len(expected) > 3
    for policy in POLICIES:
        for cooling in ("fan", "passive"):
            assert expected == what_came(episode(policy, cooling=cooling)), (policy, cooling)
    assert expected != what_came(episode(seed=2))


@pytest.mark.parametrize("policy", POLICIES)
def test_an_episode_lasts_as_long_as_asked_whatever_the_policy(policy: str) -> None:
    """Energies and misses could not be compared otherwise; an idle end belongs to it."""
    outcome = episode(policy)
    assert pytest.approx(30.0) == outcome.duration_s
    assert outcome.runaway_s is None
    assert pytest.approx(np.arange(30) + 0.05, abs=0.051) == [m.time_s for m in outcome.timeline]


def test_the_same_setup_gives_the_same_outcome() -> None:
    """To the last bit, sensor noise included."""
    assert msgspec.json.encode(episode()) == msgspec.json.encode(episode())


def test_figures_agree_with_the_timeline() -> None:
    """The mean is over its samples; the peak may lie between two of them."""
    outcome = episode()
    sensor_c = [moment.sensor_temp_c for moment in outcome.timeline]
    assert pytest.approx(np.mean(sensor_c)) == outcome.mean_temp_c
    sampled_peak_c = max(moment.peak_temp_c for moment in outcome.timeline)
    assert sampled_peak_c <= outcome.peak_temp_c < sampled_peak_c + 5.0
    mean_w = np.mean([moment.power_w for moment in outcome.timeline])
    assert pytest.approx(mean_w * 30.0, rel=0.1) == outcome.energy_j


def test_the_peak_is_seen_between_two_samples_too() -> None:
    """A core's temperature follows its load within a third of a second."""
    often, seldom = episode(sample_s=0.05), episode(sample_s=10.0)
    assert often.peak_temp_c == seldom.peak_temp_c
    assert max(m.peak_temp_c for m in seldom.timeline) < seldom.peak_temp_c


def test_moments_tell_who_runs_where_and_how_fast() -> None:
    """Of several on a core the lowest id; the clocks are those of operating points."""
    crowd = WorkloadParameters(arrivals=20, interarrival_s=0.0)
    outcome = episode("gts-powersave", workload=crowd, duration_s=5.0)
    lowest = tuple(cluster.freqs_hz[0] for cluster in BOARD.clusters)
    for moment in outcome.timeline:
        assert lowest == moment.freqs_hz
        assert len(moment.application_on_core) == 8 == len(set(moment.application_on_core))
        assert set(moment.application_on_core) <= set(range(20))
    alone = WorkloadParameters(arrivals=1)
    first = episode(workload=alone, duration_s=2.0).timeline[0]
    assert sorted(first.application_on_core) == [-1] * 7 + [0]


def test_all_policies_start_from_equal_temperatures() -> None:
    """At the first round no decision has had an effect yet; where the start is given it holds."""
    for cooling in ("fan", "fan-hot", "fan-fails"):
        first = {episode(p, cooling=cooling).timeline[0].sensor_temp_c for p in POLICIES}
        assert 1 == len(first), cooling
        ambient_c = BOARD.cooling_named(cooling).ambient_c
        assert ambient_c < first.pop() < ambient_c + 2.0
        warm = {
            episode(p, cooling=cooling, start_temp_c=55.0).timeline[0].sensor_temp_c
            for p in POLICIES
        }
        assert 1 == len(warm), cooling
        assert pytest.approx(55.0, abs=1.0) == warm.pop()


def test_arrivals_are_the_same_under_every_cooling_setup_of_the_board() -> None:
    """The fan that fails, too: a stream belongs to the seed."""
    assert {tuple(what_came(episode(seed=3)))} == {
        tuple(what_came(episode("gts-powersave", seed=3, cooling=setup.name)))
        for setup in BOARD.cooling
    }


def test_a_fan_that_fails_half_way_makes_the_second_half_hotter() -> None:
    """The first half is that of a fan that holds."""
    holding, failing = (episode(cooling=c, start_temp_c=70.0) for c in ("fan", "fan-fails"))
    assert holding.timeline[:15] == failing.timeline[:15]
    assert failing.timeline[-1].sensor_temp_c > holding.timeline[-1].sensor_temp_c + 0.5
    assert "fan-fails" == failing.cooling


def test_the_hottest_cores_mean_lies_between_the_sensors_and_the_peak() -> None:
    """It is a mean over all rounds of the hottest core at each."""
    outcome = episode()
    sampled_c = np.mean([moment.peak_temp_c for moment in outcome.timeline])
    assert outcome.mean_temp_c < outcome.mean_hottest_c < outcome.peak_temp_c
    assert pytest.approx(sampled_c, abs=0.5) == outcome.mean_hottest_c


def test_a_judged_episode_is_the_same_but_for_the_verdicts() -> None:
    """Looking must change nothing; without a judge there are no verdicts."""
    plain, judged = episode(), episode(judge_s=5.0)
    assert (0, None) == (plain.judged, plain.steady_regret_k)
    assert 1 <= judged.judged <= 6
    assert judged.judged_within + judged.judged_short <= judged.judged
    none = dict.fromkeys(("judged", "judged_within", "judged_short", "judged_proven"), 0)
    assert plain == msgspec.structs.replace(judged, **none, steady_regret_k=None)


def test_every_look_falls_on_a_decision_that_was_just_carried_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So the share of good looks is a share of decisions, one in ten at the default periods."""
    looks_s: list[float] = []

    def watch(simulated: SimulatedBoard) -> Callable[[], None]:
        return lambda: looks_s.append(simulated.now_s)

    monkeypatch.setattr("rm.evaluation.episode.installed_judge", lambda: watch)
    episode(judge_s=5.0)
    assert [5.0, 10.0, 15.0, 20.0, 25.0, 30.0] == pytest.approx(looks_s)
    periods = [look_s / Periods().migration_s for look_s in looks_s]
    assert periods == pytest.approx([round(number) for number in periods])


def test_the_oracle_policy_is_right_nearly_always_and_powersave_seldom() -> None:
    """By the same judge: the yardstick is worth something."""
    oracle, powersave = (episode(p, judge_s=1.0) for p in ("oracle", "gts-powersave"))
    assert oracle.judged_within >= 0.9 * oracle.judged > 0
    assert powersave.judged_within < 0.5 * powersave.judged


def test_throttling_at_the_boards_trip_point_is_reported() -> None:
    """A hot room without a fan and everything at full speed: the kernel steps in."""
    crowd = WorkloadParameters(arrivals=8, interarrival_s=0.0, lowest_target=0.4)
    given: dict[str, Any] = {"workload": crowd, "start_temp_c": 78.0, "cooling": "passive-35"}
    hot, cool = episode("gts-performance", **given), episode("gts-powersave", **given)
    assert 0.0 < hot.throttled_s <= hot.duration_s
    assert 0.0 == cool.throttled_s


def leaky(*, from_c: float, per_k: float) -> Board:
    """A board whose leakage grows steeply from some temperature on, and whose kernel looks on."""
    steep = Leakage(
        ref_temp_c=from_c,
        coefficients=(1.0 - per_k * from_c, per_k, 0.0, 0.0),
        lowest=0.0,
        highest=1e4,
        sources={},
    )
    return msgspec.structs.replace(BOARD, leakage=steep, protection=None)


def test_a_thermal_runaway_is_told_and_not_raised(tmp_path: Path) -> None:
    """The episode ends there; its figures are of the time before, and can be kept."""
    board = leaky(from_c=40.0, per_k=0.5)
    busy = WorkloadParameters(arrivals=8, interarrival_s=0.0)
    outcome = episode(
        board=board, cooling="passive", workload=busy, duration_s=200.0, start_temp_c=35.0
    )
    assert outcome.runaway_s is not None
    assert 1.0 < outcome.runaway_s == outcome.duration_s < 200.0
    assert outcome.peak_temp_c > 150.0
    assert outcome.timeline[-1].peak_temp_c > 150.0
    assert pytest.approx(outcome.runaway_s) == outcome.timeline[-1].time_s
    assert outcome.applications
    write_results(tmp_path, [outcome], board=BOARD)
    assert (outcome,) == read_results(tmp_path)


def test_a_runaway_before_the_governors_first_round_has_figures_too() -> None:
    """A sensor that is read often may notice it within the first 50 ms."""
    sensor = msgspec.structs.replace(BOARD.sensors[0], period_s=0.005)
    board = msgspec.structs.replace(leaky(from_c=140.0, per_k=50.0), sensors=(sensor,))
    outcome = episode(board=board, cooling="passive", start_temp_c=149.9, duration_s=10.0)
    assert outcome.runaway_s is not None
    assert 0.0 < outcome.runaway_s < 0.05
    assert 1 == len(outcome.timeline)
    assert outcome.peak_temp_c > 150.0


def test_a_workload_that_overloads_the_board_has_misses() -> None:
    """Even with the oracle: what nobody can serve is no fault of a policy."""
    crowd = WorkloadParameters(arrivals=30, interarrival_s=0.0, lowest_target=0.4)
    outcome = episode("oracle", workload=crowd, duration_s=5.0)
    assert 30 == len(outcome.applications)
    assert 5 < sum(app.missed for app in outcome.applications)
    assert all(app.end_s is None for app in outcome.applications)
