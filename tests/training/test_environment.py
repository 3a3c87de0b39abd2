"""Tests of the Gymnasium environment: its contract, its episodes, and what it keeps apart."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import msgspec
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_of_stable_baselines3

import training.environment
from platforms.application_file import find_applications
from platforms.board import RUNAWAY_C, Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import Decision, Observation
from platforms.simulated.simulated_board import SimulatedBoard
from rm.evaluation.episode import EpisodeSetup, run_episode
from rm.evaluation.workload import WorkloadParameters
from rm.governor import Governor
from rm.policies.registry import PolicyContext, policy_factory
from training.environment import IDS
from training.environment.episodes import episodes_of
from training.environment.policy import AgentPolicy
from training.environment.reward import Reward
from training.environment.simulated_environment import SimulatedEnvironment
from training.environment.steering import Interface

ROOT = Path(__file__).parents[2]
HIKEY = "ilgov/HiKey970-v0"
VARIANTS = [{"moves": moves, "dvfs": dvfs} for moves in ("all", "one") for dvfs in ("qos", "agent")]
Agent = Callable[[Any], Any]


@dataclass(frozen=True)
class Lived:
    """All that came of one episode."""

    seen: list[np.ndarray]
    rewards: list[float]
    infos: list[dict[str, Any]]
    terminated: bool
    truncated: bool


def environment(**arguments: Any) -> SimulatedEnvironment:
    """An environment without Gymnasium's wrappers."""
    made = gymnasium.make(arguments.pop("id", HIKEY), **arguments).unwrapped
    assert isinstance(made, SimulatedEnvironment)
    return made


def start(seed: int, **arguments: Any) -> SimulatedBoard:
    """The board of an episode, for others than the environment."""
    usual = {"board": "hikey970", "applications": ["parsec"], "duration_s": 120.0}
    rest = dict.fromkeys(("workload", "periods", "start_temp_c"))
    return episodes_of(**usual | rest | arguments).start(seed)  # type: ignore[arg-type]


def live(env: SimulatedEnvironment, act: Agent, *, seed: int | None) -> Lived:
    """One episode with an agent."""
    first, info = env.reset(seed=seed)
    seen, rewards, infos = [first], [], [info]
    terminated = truncated = False
    while not terminated and not truncated:
        now, reward, terminated, truncated, info = env.step(act(seen[-1]))
        seen.append(now)
        rewards.append(reward)
        infos.append(info)
    return Lived(seen, rewards, infos, terminated, truncated)


def stays(env: SimulatedEnvironment) -> Agent:
    """An agent that never moves anything."""
    zero = np.zeros_like(env.action_space.sample())
    return lambda _: zero


def wanders(env: SimulatedEnvironment) -> Agent:
    """An agent that does anything, the same whenever it is asked from the start."""
    env.action_space.seed(7)
    return lambda _: env.action_space.sample()


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_gymnasiums_own_checker_finds_nothing(name: str, variant: dict[str, str]) -> None:
    """A warning fails this test as an error does."""
    check_env(environment(id=name, **variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_checker_of_stable_baselines3_finds_nothing(variant: dict[str, str]) -> None:
    """Its algorithms take what Gymnasium allows only in part."""
    check_env_of_stable_baselines3(environment(**variant), skip_render_check=False)


def test_importing_the_package_makes_the_ids_known_and_loads_no_simulation() -> None:
    """The import is for registering only; what it costs is Gymnasium."""
    script = (
        "import sys, training.environment, gymnasium\n"
        "assert set(training.environment.IDS) <= set(gymnasium.registry)\n"
        "assert not {'scipy', 'torch', 'platforms', 'rm'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=ROOT, check=True)


def test_the_id_alone_is_enough_where_it_names_the_module() -> None:
    """Then nobody has to import anything."""
    script = f"import gymnasium; gymnasium.make('training.environment:{HIKEY}').reset(seed=0)"
    subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=ROOT, check=True)


def test_registering_twice_is_no_mistake() -> None:
    """Gymnasium would warn of ids that are overridden."""
    training.environment.register()


@pytest.mark.parametrize(("name", "board"), IDS.items())
def test_an_id_stands_for_its_board(name: str, board: str) -> None:
    """The clusters' names are in the table of what is seen."""
    expected = [f"freq_hz_{cluster.name}" for cluster in load_board(board).clusters]
    features = environment(id=name).features
    assert expected == [feature.name for feature in features[: len(expected)]]


def test_the_same_seed_gives_the_same_episode() -> None:
    """Bit for bit, rewards and truth included."""
    env = environment(duration_s=60.0, dvfs="agent")
    first = live(env, wanders(env), seed=4)
    again = live(env, wanders(env), seed=4)
    np.testing.assert_array_equal(first.seen, again.seen)
    assert first.rewards == again.rewards
    assert first.infos == again.infos


def test_without_a_seed_episodes_go_on_and_a_seed_starts_them_over() -> None:
    """As Gymnasium wants it: one seed at the beginning makes a whole training reproducible."""
    env = environment()
    seeds = [env.reset(seed=seed)[1]["episode_seed"] for seed in (4, None, None, 4, None, None)]
    assert seeds[:3] == seeds[3:]
    assert 3 == len(set(seeds[:3]))


def test_an_environment_that_was_never_seeded_draws_a_seed() -> None:
    """And not the same one in every environment."""
    drawn = {environment().reset()[1]["episode_seed"] for _ in range(4)}
    assert len(drawn) > 1


def test_an_episode_is_truncated_after_its_duration() -> None:
    """From the end of the first period on there is an action for every period."""
    env = environment(duration_s=30.0)
    lived = live(env, stays(env), seed=0)
    assert (False, True) == (lived.terminated, lived.truncated)
    assert [0.5 * (step + 1) for step in range(60)] == [info["time_s"] for info in lived.infos]


def test_nothing_can_be_done_before_an_episode_or_after_it() -> None:
    """A step on a board that is gone would return nonsense."""
    env = environment(duration_s=1.0)
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())
    live(env, stays(env), seed=0)
    with pytest.raises(ResetNeeded):
        env.step(env.action_space.sample())


def unprotected() -> Board:
    """A board whose leakage outruns its cooling as soon as it is warm, and no kernel helps."""
    board = load_board("hikey970")
    leaky = msgspec.structs.replace(board.clusters[1], leakage_w_per_v3=0.35)
    hopeless = msgspec.structs.replace(board.cooling_named("fan"), conductance_w_per_k=0.001)
    clusters = (board.clusters[0], leaky)
    return msgspec.structs.replace(board, protection=None, clusters=clusters, cooling=(hopeless,))


def test_a_thermal_runaway_terminates_and_does_not_pay() -> None:
    """Every step that it prevents is paid as the worst: an agent must not flee into the fire."""
    env = environment(board=unprotected(), start_temp_c=100.0, dvfs="agent", duration_s=600.0)
    lived = live(env, lambda _: np.array([0] * 12 + [6, 8]), seed=0)
    assert (True, False) == (lived.terminated, lived.truncated)
    assert lived.infos[-1]["truth"]["peak_temp_c"] > RUNAWAY_C
    left = 1200 - len(lived.rewards)
    assert left > 0
    worst_step = -0.01 * (RUNAWAY_C - 25.0)
    assert lived.rewards[-1] <= left * worst_step < min(lived.rewards[:-1])
    np.testing.assert_array_equal(lived.seen[-2], lived.seen[-1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_governor_with_the_agent_as_a_policy_does_the_same(variant: dict[str, str]) -> None:
    """What is learned here is worth nothing unless a board's governor then acts alike."""
    env = environment(duration_s=120.0, cooling="passive", **variant)
    lived = live(env, wanders(env), seed=5)
    interface = Interface(**variant)  # type: ignore[arg-type]
    simulated = start(5, cooling="passive")
    seen: list[np.ndarray] = []
    rewards: list[float] = []
    act = wanders(env)

    def predict(vector: np.ndarray) -> Any:
        seen.append(vector)
        return act(vector)

    def listen(observation: Observation, _: Decision) -> None:
        rewards.append(Reward().terms([observation]).total)

    policy = AgentPolicy(simulated.board, predict, name="wanders", interface=interface)
    governor = Governor(simulated, policy, simulated.clock, listener=listen)
    governor.run(120.0)
    np.testing.assert_array_equal(lived.seen, seen)
    assert simulated.energy_j == lived.infos[-1]["truth"]["energy_j"]
    np.testing.assert_allclose(np.mean(rewards[10:]), np.mean(lived.rewards), rtol=1e-12)


def test_an_episode_is_that_of_ilgov_evaluate_with_the_same_seed() -> None:
    """An agent and a policy are compared on the very same workload and sensor noise.

    The noise shows where the kernel throttles, which it does by what the sensor tells.
    """
    setup = EpisodeSetup(
        board=load_board("hikey970"),
        cooling="passive",
        policy="gts-performance",
        seed=3,
        profiles=find_applications(["parsec"]),
        duration_s=60.0,
        start_temp_c=88.0,
    )
    simulated = start(3, cooling="passive", start_temp_c=88.0)
    policy = policy_factory("gts-performance")(PolicyContext(simulated.board, simulated))
    Governor(simulated, policy, simulated.clock).run(60.0)
    outcome = run_episode(setup)
    lives = [(o.job.profile.name, o.job.target_ips) for o in simulated.records()]
    assert [(app.name, app.target_ips) for app in outcome.applications] == lives
    assert 0.0 < outcome.throttled_s == simulated.throttled_s
    assert outcome.energy_j == simulated.energy_j


def test_several_cooling_setups_are_drawn_one_for_each_episode() -> None:
    """What is to hold under any cooling has to be trained under several."""
    env = environment(cooling=("fan", "passive"))
    drawn = [env.reset(seed=seed)[1]["truth"]["cooling"] for seed in range(12)]
    assert {"fan", "passive"} == set(drawn)
    assert drawn == [env.reset(seed=seed)[1]["truth"]["cooling"] for seed in range(12)]


def test_the_start_temperature_and_the_workload_are_the_users() -> None:
    """A warm board with one application."""
    env = environment(start_temp_c=60.0, workload=WorkloadParameters(arrivals=1), slots=2)
    _, info = env.reset(seed=0)
    assert 58.0 < info["truth"]["sensor_temp_c"] < 60.5
    assert (0, -1) == info["slots"]


def test_the_clocks_are_the_agents_where_it_asks_for_them() -> None:
    """From the first step to the last, and with the DVFS loop they are the loop's."""
    env = environment(dvfs="agent", moves="one")
    env.reset(seed=0)
    seen = [env.step(np.array([0, 2, 5]))[0] for _ in range(5)][-1]
    board = load_board("hikey970")
    shares = [board.clusters[0].freqs_hz[2] / 1.844e9, board.clusters[1].freqs_hz[5] / 2.362e9]
    np.testing.assert_allclose(seen[:2], shares, rtol=1e-6)


def test_a_move_arrives_and_is_counted() -> None:
    """The application in slot 0 goes to core 6 and stays there."""
    env = environment(moves="one")
    seen, _ = env.reset(seed=0)
    names = [feature.name for feature in env.features]
    there = names.index("app0_on_core6")
    assert 0.0 == seen[there]
    seen, _, _, _, info = env.step(1 + 6)
    assert (1.0, 1) == (seen[there], info["migrations"])
    seen, _, _, _, info = env.step(1 + 6)
    assert (1.0, 0) == (seen[there], info["migrations"])


def test_the_reward_is_the_sum_of_its_parts_and_nothing_of_the_truth() -> None:
    """With other weights the same episode is paid otherwise, and runs alike."""
    usual = environment(duration_s=60.0)
    other = environment(duration_s=60.0, reward=Reward(per_kelvin=0.5, per_miss=3.0))
    first, second = (live(env, stays(env), seed=1) for env in (usual, other))
    np.testing.assert_array_equal(first.seen, second.seen)
    for reward, a, b in zip(first.rewards, first.infos[1:], second.infos[1:], strict=True):
        assert reward == a["reward_temperature"] + a["reward_misses"]
        assert b["reward_temperature"] == pytest.approx(50.0 * a["reward_temperature"])
        assert b["reward_misses"] == pytest.approx(3.0 * a["reward_misses"])


def test_the_picture_shows_who_runs_where() -> None:
    """In a terminal, for those who look."""
    env = environment(render_mode="ansi", moves="one")
    assert env.render() is None
    env.reset(seed=0)
    env.step(1 + 6)
    shown = env.render()
    assert shown is not None
    assert shown.startswith("1.00 s  cls0 ")
    assert 1 == len([line for line in shown.splitlines() if line.startswith("  core6  [0] ")])
    assert environment().render() is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cooling": "ice"}, r"cooling must be one of fan, .* \(got 'ice'\)"),
        ({"cooling": ()}, r"cooling must be one of fan, .* \(got ''\)"),
        ({"board": "toaster"}, r"board must be one of .* \(got 'toaster'\)"),
        ({"applications": []}, r"applications must be a list .* \(got \[\]\)"),
        ({"applications": "parsec"}, r"applications must be a list .* \(got 'parsec'\)"),
        ({"applications": ["tetris"]}, r"application must be a suite .* \(got 'tetris'\)"),
        ({"duration_s": 0.5}, r"duration_s must be a whole multiple, .* \(got 0.5\)"),
        ({"duration_s": 10.2}, r"duration_s must be a whole multiple, .* \(got 10.2\)"),
        ({"start_temp_c": 149.0}, r"start_temp_c must lie in -20.0 ... 120.0 \(got 149.0\)"),
        ({"slots": 0}, r"slots must be at least 1 \(got 0\)"),
        ({"moves": "some"}, r"moves must be one of all, one \(got 'some'\)"),
        ({"dvfs": "none"}, r"dvfs must be one of qos, agent \(got 'none'\)"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(
    arguments: dict[str, Any], message: str
) -> None:
    """In words that say what would make sense."""
    with pytest.raises(InvalidInput, match=message):
        environment(**arguments)


def test_options_are_refused() -> None:
    """Nobody may believe that they have done something."""
    with pytest.raises(InvalidInput, match=r"options must be empty \(got {'cooling': 'fan'}\)"):
        environment().reset(seed=0, options={"cooling": "fan"})


def test_an_action_that_there_is_not_changes_nothing() -> None:
    """After the refusal the episode goes on as if it had not been asked for."""
    env = environment(moves="one", duration_s=10.0)
    env.reset(seed=0)
    with pytest.raises(InvalidInput, match=r"action must be one of Discrete\(97\) \(got 97\)"):
        env.step(97)
    after = [env.step(0)[0] for _ in range(5)]
    env.reset(seed=0)
    np.testing.assert_array_equal([env.step(0)[0] for _ in range(5)], after)
