"""Tests of TOP-RL: agents in turn, rewards by what the board shows, moves to free cores only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation, TemperatureReading
from rm.checker import check_policy
from rm.dvfs import QosScaling
from rm.policies.q_learning import LearningParameters, QLearner
from rm.policies.q_state import Component, StateSpace, components, free_cores, state_count
from rm.policies.q_table import write_q_table
from rm.policies.registry import PolicyContext, policy_factory
from rm.policies.toprl import TopRl, make
from tests.platforms.programs import simulated, single_core_clusters
from tests.rm.readings import HIKEY, observation, reading
from tests.rm.test_q_table import drawn_table

LITTLE, BIG = 0, 1
GREEDY = LearningParameters(exploration=0.0)
SPACE = StateSpace(HIKEY)


def learner(
    parameters: LearningParameters = GREEDY, *, prefer: int | None = None, seed: int = 0
) -> QLearner:
    """A table of zeros, or one that finds a cluster better than the other in every state."""
    values = np.zeros((SPACE.size, 2))
    if prefer is not None:
        values[:, prefer] = 100.0
    return QLearner(values, parameters, np.random.default_rng(seed))


def warm(seen: Observation, *temps_c: float) -> Observation:
    """The same with other temperatures."""
    shown = tuple(TemperatureReading(f"sensor{n}", t, 0.1) for n, t in enumerate(temps_c))
    return replace(seen, temperatures=shown)


# --- states --------------------------------------------------------------------------------------


def test_the_hikeys_table_has_3200_states() -> None:
    """2 clusters x 4 demands x 4 x 4 others' demands x 5 x 5 counts of free cores."""
    assert [2, 4, 4, 4, 5, 5] == [part.size for part in components(HIKEY)]
    assert 3200 == state_count(components(HIKEY)) == SPACE.size


def test_the_index_counts_the_last_component_fastest() -> None:
    """A row can be read back into levels."""
    seen = observation(reading(0, cores=(4,)), opp_index=(0, 8))
    levels = np.unravel_index(
        SPACE.index(seen, seen.applications[0], free_cores(seen)), (2, 4, 4, 4, 5, 5)
    )
    # on big, wants all of 2362 MHz (1e9 of 1e9 there), nobody else, 4 free LITTLE and 3 free big
    assert [1, 3, 0, 0, 4, 3] == [int(level) for level in levels]


def test_cores_of_a_cluster_are_alike() -> None:
    """What is learnt on one serves all."""
    rows = set()
    for core in (4, 5, 6, 7):
        seen = observation(reading(0, cores=(core,)))
        rows.add(SPACE.index(seen, seen.applications[0], free_cores(seen)))
    assert 1 == len(rows)


def test_a_busy_core_is_not_free_whoever_keeps_it_busy() -> None:
    """A newcomer has not shown as busy yet; housekeeping is everywhere."""
    seen = observation(reading(0, cores=(4,)), utilisation=[0.05, 0.5, 0, 0, 0, 0, 0, 0])
    assert [True, False, True, True, False, True, True, True] == free_cores(seen)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """One to twelve applications anywhere on the HiKey, some of several threads."""
    count = draw(st.integers(1, 12))
    apps = []
    for number in range(count):
        several = draw(st.booleans()) and draw(st.booleans())
        cores = (4, 5, 6, 7) if several else (draw(st.integers(0, 7)),)
        rate = draw(st.sampled_from([0.0, 1e7, 1e9, 8e9]))
        target = draw(st.sampled_from([1e6, 9e8, 1e10]))
        apps.append(
            reading(
                number,
                cores=cores,
                rate_ips=rate,
                target_ips=target,
                threads=3 if several else 1,
            )
        )
    opps = draw(st.tuples(st.integers(0, 6), st.integers(0, 8)))
    return observation(*apps, opp_index=opps)


@given(observations())
def test_every_situation_has_a_row(seen: Observation) -> None:
    """Standing still, over-demanding, crowded: all within the table."""
    for app in seen.applications:
        assert 0 <= SPACE.index(seen, app, free_cores(seen)) < SPACE.size


@given(st.floats(-1e3, 1e3), st.lists(st.floats(-1e3, 1e3), max_size=5).map(sorted))
def test_a_level_counts_the_edges_that_are_reached(value: float, edges: list[float]) -> None:
    """An edge belongs to the level above it."""
    part = Component("any", "1", tuple(edges))
    assert sum(edge <= value for edge in edges) == part.level(value) < part.size


# --- moves ---------------------------------------------------------------------------------------


def test_an_agent_goes_to_the_first_free_core_of_the_cluster_that_it_finds_better() -> None:
    """The action is a core, the table knows clusters."""
    seen = observation(reading(0, cores=(4,)), reading(1, cores=(0,)))
    assert (Migration(0, (1,)),) == TopRl(HIKEY, learner(prefer=LITTLE)).migrate(seen)


def test_an_agent_stays_where_nothing_looks_better() -> None:
    """A state that nobody knows is no reason to move."""
    seen = observation(reading(0, cores=(4,)))
    assert () == TopRl(HIKEY, learner()).migrate(seen)
    assert () == TopRl(HIKEY, learner(prefer=BIG)).migrate(seen)


def test_nobody_moves_to_a_full_cluster() -> None:
    """As TOP-IL here, the agents share no core by choice."""
    busy = [reading(number, cores=(number,)) for number in range(5)]
    policy = TopRl(HIKEY, learner(prefer=LITTLE))
    seen = observation(*busy)
    assert [()] * 5 == [policy.migrate(seen) for _ in range(5)]


def test_who_shares_a_core_takes_a_free_one_of_its_own_cluster() -> None:
    """Staying there would starve two agents, and the cluster is the one that is preferred."""
    seen = observation(reading(0, cores=(4,)), reading(1, cores=(4,)))
    policy = TopRl(HIKEY, learner(prefer=BIG))
    assert (Migration(0, (5,)),) == policy.migrate(seen)


def test_applications_of_several_threads_are_left_where_they_are() -> None:
    """They are no agents, but they keep their cores busy."""
    seen = observation(reading(0, cores=(4, 5, 6, 7), threads=4), reading(1, cores=(0,)))
    assert () == TopRl(HIKEY, learner(prefer=BIG)).migrate(seen)
    assert () == TopRl(HIKEY, learner(prefer=BIG)).migrate(observation())


def test_agents_take_turns_in_the_order_of_arrival() -> None:
    """One agent a period, newcomers when their number comes up."""
    policy = TopRl(HIKEY, learner(prefer=LITTLE))
    both = observation(reading(3, cores=(4,)), reading(8, cores=(5,)))
    three = observation(reading(3, cores=(4,)), reading(8, cores=(5,)), reading(9, cores=(6,)))
    turns = [policy.migrate(seen)[0].application_id for seen in (both, both, three, three, both)]
    assert [3, 8, 9, 3, 8] == turns


@given(observations(), st.integers(0, 1), st.floats(0.0, 1.0))
def test_moves_go_to_free_cores_only(seen: Observation, prefer: int, exploration: float) -> None:
    """Whatever the table says and however much is explored."""
    parameters = LearningParameters(exploration=exploration)
    free = free_cores(seen)
    policy = TopRl(HIKEY, learner(parameters, prefer=prefer))
    for _ in range(3):
        for move in policy.migrate(seen):
            assert free[move.cores[0]]


def test_dvfs_is_that_of_top_il() -> None:
    """What differs between the two is the mapping alone."""
    policy, scaling = TopRl(HIKEY, learner()), QosScaling(HIKEY)
    for opp in range(5):
        seen = observation(reading(0, rate_ips=5e8), opp_index=(0, opp))
        assert scaling.scale(seen) == policy.scale(seen)


# --- learning ------------------------------------------------------------------------------------


def test_the_reward_is_the_distance_to_80_degrees_or_minus_200() -> None:
    """The hottest sensor counts; within 5 % of its target an application meets it."""
    policy = TopRl(HIKEY, learner())
    for rate_ips, earned in ((1e9, 35.0), (0.96e9, 35.0), (0.94e9, -200.0)):
        app = reading(0, rate_ips=rate_ips)
        assert earned == policy.reward(warm(observation(app), 30.0, 45.0), app)


def test_an_action_is_credited_with_what_the_board_shows_at_the_agents_next_turn() -> None:
    """Q moves by the learning rate towards reward plus discounted worth of where it led."""
    agents = learner(prefer=LITTLE)
    policy = TopRl(HIKEY, agents)
    before = observation(reading(0, cores=(4,)))
    after = observation(reading(0, cores=(0,)))
    row = SPACE.index(before, before.applications[0], free_cores(before))
    policy.migrate(warm(before, 90.0))
    assert 100.0 == agents.values[row, LITTLE]
    policy.migrate(warm(after, 50.0))
    assert pytest.approx(100.0 + 0.05 * (30.0 + 0.8 * 100.0 - 100.0)) == agents.values[row, LITTLE]
    assert 0.0 == agents.values[row, BIG]


def test_an_agent_that_ended_teaches_nothing() -> None:
    """What happened after its end is not its doing, not even where its number comes back."""
    agents = learner(prefer=LITTLE)
    policy = TopRl(HIKEY, agents)
    policy.migrate(observation(reading(0, cores=(4,))))
    policy.migrate(observation())
    untouched = agents.values.copy()
    policy.migrate(observation(reading(0, cores=(4,))))
    assert np.array_equal(untouched, agents.values)


def test_agents_learn_from_each_other() -> None:
    """They share one table: what one agent found, another in the same state knows."""
    quick = LearningParameters(exploration=0.0, learning_rate=1.0)
    policy = TopRl(HIKEY, learner(quick, prefer=LITTLE))
    one, other = (observation(reading(number, cores=(4,))) for number in (0, 1))
    assert (Migration(0, (0,)),) == policy.migrate(one)
    policy.migrate(observation(reading(0, cores=(0,), rate_ips=1e8)))
    assert () == policy.migrate(other)


@given(st.sets(st.integers(0, 7), min_size=1).map(sorted), st.integers(0, 99))
def test_choices_are_always_allowed(allowed: Sequence[int], seed: int) -> None:
    """Explored or not, and whatever is worth more elsewhere."""
    values = np.random.default_rng(seed).normal(size=(1, 8))
    greedy = QLearner(values, GREEDY, np.random.default_rng(seed))
    curious = QLearner(values, LearningParameters(exploration=1.0), np.random.default_rng(seed))
    assert max(allowed, key=lambda action: values[0, action]) == greedy.choose(0, allowed, -1)
    assert {curious.choose(0, allowed, -1) for _ in range(200)} <= set(allowed)


def test_one_choice_in_ten_is_a_random_one() -> None:
    """Half of these stay by chance where there are two clusters."""
    explorer = learner(LearningParameters(), prefer=BIG)
    chosen = [explorer.choose(0, [LITTLE, BIG], BIG) for _ in range(20_000)]
    assert pytest.approx(0.05, abs=0.01) == np.mean([action == LITTLE for action in chosen])


def test_a_problem_with_a_known_answer_is_solved() -> None:
    """Two states, two actions, worth by hand: staying in 1 earns 1 for ever, 1 / (1 - 0.8) = 5."""
    rng = np.random.default_rng(0)
    solver = QLearner(np.zeros((2, 2)), LearningParameters(exploration=1.0), rng)
    state = 0
    for _ in range(20_000):
        action = solver.choose(state, [0, 1], 0)
        solver.learn(state, action, float(state == 1 == action), action, [0, 1])
        state = action
    assert np.array([[3.2, 4.0], [3.2, 5.0]]) == pytest.approx(solver.values, abs=0.05)


# --- as a policy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_boards())
def test_it_keeps_the_contract_of_policies_on_every_shipped_board(
    name: str, tmp_path: Path
) -> None:
    """Exploration is seeded: two policies on equal observations decide alike."""
    board = load_board(name)
    path = tmp_path / "table.npz"
    write_q_table(path, drawn_table(board))
    context = PolicyContext(board, simulated(board=board), path)
    check_policy(lambda: make(context), board)


def test_it_keeps_the_contract_where_clusters_have_one_core(tmp_path: Path) -> None:
    """Nothing is taken for granted of a board."""
    board = single_core_clusters()
    path = tmp_path / "table.npz"
    write_q_table(path, drawn_table(board))
    context = PolicyContext(board, simulated(board=board), path)
    check_policy(lambda: make(context), board)


def test_two_boards_that_show_the_same_get_the_same_decisions() -> None:
    """What the sensor does not show, the policy does not know: here the heat of the board."""
    hidden = simulated(start_temp_c=80.0)
    seen = observation(*[reading(number, cores=(number,)) for number in range(4)])
    moves = [
        [policy.migrate(seen) for _ in range(40)]
        for policy in (make(PolicyContext(HIKEY, board)) for board in (simulated(), hidden))
    ]
    assert moves[0] == moves[1]


def test_learning_does_not_reach_the_next_policy(tmp_path: Path) -> None:
    """Each starts from the table as it was written."""
    path = tmp_path / "table.npz"
    write_q_table(path, drawn_table())
    before = path.read_bytes()
    context = PolicyContext(HIKEY, simulated(), path)
    seen = [observation(reading(0, cores=(core,), rate_ips=1e8)) for core in (0, 4)] * 100
    first, second = ([policy.migrate(o) for o in seen] for policy in (make(context), make(context)))
    assert first == second
    assert before == path.read_bytes()


# --- which table ---------------------------------------------------------------------------------


def test_the_shipped_table_serves_where_none_is_given() -> None:
    """By the name that `ilgov evaluate` uses."""
    policy = policy_factory("toprl")(PolicyContext(HIKEY, simulated()))
    assert "toprl" == policy.name
    check_policy(lambda: make(PolicyContext(HIKEY, simulated())), HIKEY)


def test_a_network_is_left_to_the_policies_that_have_one(tmp_path: Path) -> None:
    """One file is given for all policies of a comparison; this one's end in .npz."""
    given_network = PolicyContext(HIKEY, simulated(), tmp_path / "policy.onnx")
    seen = [observation(reading(0, cores=(4,)))] * 50
    shipped_policy = make(PolicyContext(HIKEY, simulated()))
    assert [shipped_policy.migrate(o) for o in seen] == [
        policy.migrate(o) for policy in (make(given_network),) for o in seen
    ]


def test_a_table_that_is_given_is_taken_or_refused(tmp_path: Path) -> None:
    """Never passed over for the shipped one."""
    path = tmp_path / "table.npz"
    with pytest.raises(InvalidInput, match=r"table\.npz: must be a Q-table \(no such file\)"):
        make(PolicyContext(HIKEY, simulated(), path))
    write_q_table(path, drawn_table(load_board("rk3588")))
    with pytest.raises(InvalidInput, match=r"board must be 'hikey970' \(got 'rk3588'\)"):
        make(PolicyContext(HIKEY, simulated(), path))


def test_a_board_without_a_table_is_told_how_to_get_one() -> None:
    """The command, as it is typed."""
    board = replace(HIKEY, name="my-board")
    with pytest.raises(
        InvalidInput, match=r"train-toprl --board my-board --out table\.npz' and give --policy-file"
    ):
        make(PolicyContext(board, simulated(board=board)))
