"""Train Stable-Baselines3's PPO on the simulated HiKey 970, and say what it has learned.

    python examples/train_ppo.py --steps 150000

needs ``pip install 'ilgov[gymnasium]' stable-baselines3``. It prints the mean reward of a step over
the same episodes for an agent that never moves anything and for PPO before and after training, and
then for governor policies that need no training. It is a beginning, not a good policy.
"""
# ruff: noqa: INP001, T201 -- a script: nobody imports it, and it prints what it found

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

import training.environment  # noqa: F401 -- makes the ids known to Gymnasium
from rm.governor import Governor
from rm.policies.registry import PolicyContext, policy_factory
from training.environment.episodes import episodes_of
from training.environment.reward import Reward

ID = "ilgov/HiKey970-v0"
SEEDS = range(5)
ENVIRONMENTS = 8
POLICIES = ("gts-ondemand", "gts-qos", "little-first", "oracle")


def make(cooling: str, duration_s: float) -> Callable[[], gymnasium.Env[Any, Any]]:
    """Where the agent learns: one move a step, clocks by the DVFS loop."""
    return lambda: gymnasium.make(ID, cooling=cooling, duration_s=duration_s, moves="one")


def mean_reward(env: gymnasium.Env[Any, Any], act: Callable[[Any], Any]) -> float:
    """Mean reward of a step over the episodes of `SEEDS`."""
    rewards = []
    for seed in SEEDS:
        seen, _ = env.reset(seed=seed)
        ended = False
        while not ended:
            seen, reward, terminated, truncated, _ = env.step(act(seen))
            rewards.append(float(reward))
            ended = terminated or truncated
    return float(np.mean(rewards))


def mean_reward_of_policy(name: str, cooling: str, duration_s: float) -> float:
    """The same for one of the governor's policies, on the same episodes."""
    episodes = episodes_of(
        board="hikey970",
        cooling=cooling,
        applications=("parsec",),
        workload=None,
        periods=None,
        duration_s=duration_s,
        start_temp_c=None,
    )
    rewards = []
    for seed in SEEDS:
        simulated = episodes.start(seed)
        policy = policy_factory(name)(PolicyContext(simulated.board, simulated))
        governor = Governor(
            simulated,
            policy,
            simulated.clock,
            listener=lambda seen, _: rewards.append(Reward().terms([seen]).total),
        )
        governor.run(duration_s)
    return float(np.mean(rewards))


def main() -> None:
    """Train, then compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=150_000, help="[%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="[%(default)s]")
    parser.add_argument("--cooling", default="passive", help="[%(default)s]")
    parser.add_argument("--duration-s", type=float, default=600.0, help="[%(default)s]")
    parser.add_argument("--out", type=Path, help="where to keep the trained agent (.zip)")
    args = parser.parse_args()
    torch.set_num_threads(1)  # the networks are so small that more threads only wait
    one = make(args.cooling, args.duration_s)
    many = DummyVecEnv([one] * ENVIRONMENTS)
    agent = PPO(
        "MlpPolicy", many, seed=args.seed, device="cpu", learning_rate=1e-3, gamma=0.9, n_steps=256
    )

    def act(seen: Any) -> Any:
        return agent.predict(seen, deterministic=True)[0]

    env = one()
    print(f"{'never moves':>16}  {mean_reward(env, lambda _: 0):7.4f}")
    print(f"{'PPO, untrained':>16}  {mean_reward(env, act):7.4f}")
    agent.learn(args.steps)
    print(f"{'PPO, trained':>16}  {mean_reward(env, act):7.4f}")
    for name in POLICIES:
        print(f"{name:>16}  {mean_reward_of_policy(name, args.cooling, args.duration_s):7.4f}")
    if args.out:
        agent.save(args.out)


if __name__ == "__main__":
    main()
