"""Tests with an agent of another library: PPO of Stable-Baselines3 trains on the environment."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3 import DQN, PPO

import training.environment  # noqa: F401 -- makes the ids known to Gymnasium
from rm.evaluation.workload import WorkloadParameters
from training.environment.reward import Reward

ROOT = Path(__file__).parents[2]
STEPS = 256


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """The networks are so small that more threads wait for each other only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(seed: int, **arguments: object) -> tuple[PPO, dict[str, torch.Tensor]]:
    """PPO after a few hundred steps, and its parameters before."""
    env = gymnasium.make("ilgov/HiKey970-v0", duration_s=60.0, **arguments)
    agent = PPO("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=2, seed=seed, device="cpu")
    before = {name: value.clone() for name, value in agent.policy.state_dict().items()}
    agent.learn(STEPS)
    return agent, before


def actions(agent: PPO) -> np.ndarray:
    """What an agent does about what it sees in one episode of half a minute."""
    env = gymnasium.make("ilgov/HiKey970-v0", duration_s=30.0)
    seen, _ = env.reset(seed=11)
    done = []
    for _ in range(59):
        action = agent.predict(seen, deterministic=True)[0]
        done.append(action)
        seen = env.step(action)[0]
    return np.array(done)


@pytest.fixture(scope="module")
def agent() -> tuple[PPO, dict[str, torch.Tensor]]:
    """One trained agent for several tests."""
    return trained(seed=3)


def test_ppo_learns_from_what_it_lived_through(agent: tuple[PPO, dict[str, torch.Tensor]]) -> None:
    """Every layer has changed, and nothing has become infinite on the way."""
    ppo, before = agent
    assert STEPS == ppo.num_timesteps
    for name, value in ppo.policy.state_dict().items():
        assert torch.isfinite(value).all(), name
        assert not torch.equal(before[name], value), name


def lonely() -> gymnasium.Env[Any, Any]:
    """One application with a high target on cool cores, and paid for its target alone."""
    return gymnasium.make(
        "ilgov/HiKey970-v0",
        duration_s=30.0,
        slots=1,
        moves="one",
        dvfs="agent",
        reward=Reward(per_kelvin=0.0),
        workload=WorkloadParameters(arrivals=1, lowest_target=0.6, highest_target=0.9),
    )


def mean_reward(agent: PPO) -> float:
    """Mean reward of a step over three episodes that the agent has never seen."""
    env = lonely()
    rewards = []
    for seed in range(3):
        seen, _ = env.reset(seed=seed)
        truncated = False
        while not truncated:
            action = agent.predict(seen, deterministic=True)[0]
            seen, reward, _, truncated, _ = env.step(action)
            rewards.append(float(reward))
    return float(np.mean(rewards))


@pytest.mark.parametrize("seed", [0, 1])
def test_ppo_gets_better_at_a_simple_task(seed: int) -> None:
    """It finds out within a thousand steps that a fast core at a high clock meets the target."""
    agent = PPO(
        "MlpPolicy",
        lonely(),
        n_steps=128,
        learning_rate=3e-3,
        gamma=0.5,
        seed=seed,
        device="cpu",
    )
    before = mean_reward(agent)
    agent.learn(1024)
    assert mean_reward(agent) > 0.5 * before


def test_the_same_seed_makes_the_same_agent(agent: tuple[PPO, dict[str, torch.Tensor]]) -> None:
    """A training that cannot be repeated cannot be checked; another seed makes another."""
    ppo, _ = agent
    again, _ = trained(seed=3)
    other, _ = trained(seed=4)
    np.testing.assert_array_equal(actions(ppo), actions(again))
    assert not np.array_equal(actions(ppo), actions(other))


def test_an_algorithm_that_takes_one_number_trains_on_single_moves() -> None:
    """DQN knows Discrete spaces only."""
    env = gymnasium.make("ilgov/HiKey970-v0", duration_s=60.0, moves="one")
    agent = DQN(
        "MlpPolicy", env, learning_starts=32, buffer_size=512, target_update_interval=64, seed=0
    )
    before = {name: value.clone() for name, value in agent.policy.state_dict().items()}
    agent.learn(200)
    after = agent.policy.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_the_example_trains_and_compares(tmp_path: Path) -> None:
    """On short episodes: one line for each of those that it compares."""
    out = tmp_path / "agent.zip"
    options = ["--steps", "64", "--duration-s", "10", "--out", str(out)]
    ended = subprocess.run(
        [sys.executable, "examples/train_ppo.py", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"^ *(\S.*?)  +(-?\d+\.\d+)$", ended.stdout, re.MULTILINE)
    names = ["never moves", "PPO, untrained", "PPO, trained"]
    assert [*names, "gts-ondemand", "gts-qos", "little-first", "oracle"] == [n for n, _ in found]
    assert out.is_file()
