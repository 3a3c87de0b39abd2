"""How `ilgov` is trained: everything that an ablation may change."""

from typing import Literal

from msgspec import Struct

Labels = Literal["soft", "hard"]
Question = Literal["joint", "one"]


class JointOptions(Struct, frozen=True, kw_only=True):
    """The training's options; `ilgov train-ilgov --help` says what they are for.

    `labels`: the whole order of a list's mappings, ``softmax(-alpha_per_k T)``, or its best alone.
    `question`: all applications at once, or one that moves while the others stay (TOP-IL's).
    `stall_aware`: estimate stalls, or scale linearly. `situations` are drawn at random; each of
    `dagger_rounds` adds those that the policy itself meets in `dagger_episodes` episodes of
    `dagger_episode_s`, one every `dagger_every_s`. `list_length` mappings of each situation are
    labelled.
    """

    labels: Labels = "soft"
    question: Question = "joint"
    stall_aware: bool = True
    hidden: tuple[int, ...] = (32, 32)
    alpha_per_k: float = 2.0
    situations: int = 3000
    list_length: int = 60
    dagger_rounds: int = 0
    dagger_episodes: int = 8
    dagger_episode_s: float = 300.0
    dagger_every_s: float = 4.0
    epochs: int = 60
    patience: int = 12
    learning_rate: float = 0.003
    decay_per_epoch: float = 0.96
    batch_lists: int = 32
    seed: int = 0
