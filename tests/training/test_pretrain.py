"""Tests of TOP-RL's pre-training: the same table from the same seed, learnt by visits, judged."""

import numpy as np
import pytest
from msgspec.structs import replace

from platforms.application_file import find_applications
from platforms.board_file import load_board
from rm.policies.q_learning import LearningParameters, QLearner
from rm.policies.q_state import StateSpace
from training.reinforcement.episode import Course, Figures, run_episode, together
from training.reinforcement.pretrain import (
    Averaging,
    PretrainingOptions,
    Snapshot,
    checkpoints,
    learning_curve,
    pretrain,
    table_of,
)

HIKEY = load_board("hikey970")
COURSE = Course(board=HIKEY, cooling="fan", profiles=find_applications(["cbench"]), duration_s=60.0)
PARAMETERS = LearningParameters()
FEW = PretrainingOptions(episodes=4)


@pytest.fixture(scope="module")
def snapshots() -> list[Snapshot]:
    """Of the shortest of trainings."""
    return pretrain(COURSE, PARAMETERS, FEW)


def test_the_same_seed_makes_the_same_table(snapshots: list[Snapshot]) -> None:
    """And another seed another one."""
    again = pretrain(COURSE, PARAMETERS, FEW)
    other = pretrain(COURSE, PARAMETERS, replace(FEW, seed=1))
    assert np.array_equal(snapshots[-1].values, again[-1].values)
    assert not np.array_equal(snapshots[-1].values, other[-1].values)


def test_a_longer_training_goes_on_from_where_a_shorter_one_ended(
    snapshots: list[Snapshot],
) -> None:
    """So the points of the curve are what shorter trainings would have written."""
    shorter = pretrain(COURSE, PARAMETERS, replace(FEW, episodes=2))
    (half_way,) = (shot for shot in snapshots if shot.episodes == 2)
    assert np.array_equal(half_way.values, shorter[-1].values)


def test_snapshots_begin_with_nothing_learnt_and_grow(snapshots: list[Snapshot]) -> None:
    """Values are 0 where nothing was ever tried."""
    assert [0, 1, 2, 4] == [shot.episodes for shot in snapshots]
    visited = [int((shot.values != 0.0).sum()) for shot in snapshots]
    assert 0 == visited[0] < visited[1] <= visited[2] <= visited[3]
    assert (StateSpace(HIKEY).size, 2) == snapshots[-1].values.shape
    assert snapshots[0].lately is None


def test_what_was_learnt_is_worth_what_rewards_can_add_up_to(snapshots: list[Snapshot]) -> None:
    """Between missing for ever and an idle board for ever (25 degC of air, sensor noise aside)."""
    values = snapshots[-1].values
    assert -200.0 / 0.2 <= values.min()
    assert values.max() <= (80.0 - 25.0 + 3.0) / 0.2
    assert 0 < np.median(values[values != 0.0]) < (80.0 - 25.0) / 0.2


def test_the_first_visit_counts_fully_and_later_ones_less() -> None:
    """Means over many visits, with what came early forgotten in time."""
    learner = Averaging(np.full((1, 2), 275.0), PARAMETERS, np.random.default_rng(0))
    rates = [learner.rate(0, 1) for _ in range(1000)]
    assert 1.0 == rates[0]
    assert pytest.approx(2.0**-0.7) == rates[1]
    assert pytest.approx(1000**-0.7) == rates[-1]
    assert np.array_equal([[0, 1000]], learner.visits)
    assert np.array_equal([[0.0, 275.0]], learner.learnt())


def test_averaging_finds_the_mean_of_noisy_rewards() -> None:
    """Better than a constant rate does, which keeps following the noise."""
    rng = np.random.default_rng(0)
    myopic = LearningParameters(discount=0.0)
    errors = []
    for kind in (Averaging, QLearner):
        learner = kind(np.zeros((1, 1)), myopic, rng)
        late = []
        for number in range(4000):
            learner.learn(0, 0, 40.0 + 10.0 * rng.standard_normal(), 0, [0])
            if number > 2000:
                late.append(learner.values[0, 0] - 40.0)
        errors.append(float(np.std(late)))
    assert errors[0] < 0.5 * errors[1]


@pytest.mark.parametrize(
    ("episodes", "expected"), [(1, (1,)), (5, (1, 2, 5)), (800, (25, 50, 100, 200, 400, 800))]
)
def test_the_curve_doubles_from_point_to_point(episodes: int, expected: tuple[int, ...]) -> None:
    """And ends at the table that is written."""
    assert expected == checkpoints(episodes)


def test_an_episode_tells_what_came_of_it() -> None:
    """Warmer than the air, cooler than silicon melts, a turn every half second."""
    values = np.zeros((StateSpace(HIKEY).size, 2))
    learner = QLearner(values, PARAMETERS, np.random.default_rng(0))
    figures = run_episode(COURSE, learner, [0, 0])
    assert 25.0 < figures.mean_temp_c < 60.0
    assert 0 <= figures.missed <= figures.applications <= 20
    assert 60 < figures.turns <= 120
    assert -200.0 <= figures.reward / figures.turns < 55.0
    assert values.any()


def test_episodes_are_put_together_by_their_counts() -> None:
    """Shares over all applications, not means of shares."""
    one = Figures(mean_temp_c=30.0, applications=4, missed=1, migrations=7, turns=10, reward=100.0)
    other = replace(one, mean_temp_c=40.0, applications=1, missed=1)
    assert together([one, other]) == Figures(
        mean_temp_c=35.0, applications=5, missed=2, migrations=14, turns=20, reward=200.0
    )


def test_the_curve_is_the_same_however_many_work_on_it(snapshots: list[Snapshot]) -> None:
    """Each point judges its table on the same episodes; the tables are not changed by it."""
    before = [shot.values.copy() for shot in snapshots]
    heard: list[int] = []
    curves = [
        learning_curve(
            COURSE, PARAMETERS, snapshots[::3], episodes=2, seed=0, jobs=jobs,
            on_episode=heard.append,
        )
        for jobs in (1, 2)
    ]  # fmt: skip
    assert curves[0] == curves[1]
    assert [1, 2, 3, 4] * 2 == heard
    assert [0, 4] == [point.episodes for point in curves[0]]
    assert curves[0][0].training_reward is None
    assert all(np.array_equal(a, shot.values) for a, shot in zip(before, snapshots, strict=True))


def test_learning_pays_where_one_cluster_cannot_serve() -> None:
    """Demands that LITTLE misses by far: the table learns to leave applications on big."""
    weak = replace(
        HIKEY,
        clusters=(replace(HIKEY.clusters[0], opps=HIKEY.clusters[0].opps[:1]), HIKEY.clusters[1]),
    )
    course = replace(COURSE, board=weak)
    learnt = pretrain(course, PARAMETERS, PretrainingOptions(episodes=24))
    greedy = replace(PARAMETERS, exploration=0.0)
    shots = [learnt[-1], Snapshot(0, _always_little(len(learnt[-1].values)), None)]
    taught, stubborn = learning_curve(course, greedy, shots, episodes=6, seed=5, jobs=1)
    assert taught.reward > stubborn.reward + 10.0
    assert taught.missed_share < stubborn.missed_share


def _always_little(states: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """A table so sure of LITTLE that an episode does not change its mind."""
    values = np.zeros((states, 2))
    values[:, 0] = 1e9
    return values


def test_the_table_says_how_it_was_learnt(snapshots: list[Snapshot]) -> None:
    """What one needs to make it again."""
    table = table_of(snapshots[-1], COURSE, PARAMETERS, FEW)
    said = table.metadata
    assert ("hikey970", "fan", ("little", "big")) == (said.board, said.cooling, said.actions)
    assert {"episodes": 4, "exploration": 0.3, "seed": 0, "duration_s": 60.0} == said.training
    assert "telecom_CRC32" in said.applications
    assert np.allclose(snapshots[-1].values, table.values, rtol=1e-6)
