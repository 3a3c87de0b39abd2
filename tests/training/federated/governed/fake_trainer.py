"""A trainer whose daemon decides what a test has written down."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from platforms.training_work import Efficiency
from rm.planner.capability import Capability, Place, Setting
from rm.training_client import Grant, Outlook

KNOBS: tuple[dict[str, float], ...] = (
    {"batch": 8, "depth": 2},
    {"batch": 16, "depth": 2},
    {"batch": 8, "depth": 1},
)

CAPABILITY = Capability(
    settings=tuple(
        Setting(knobs=knobs, memory_bytes=1_000_000, samples_factor=2.0 / knobs["depth"])
        for knobs in KNOBS
    ),
    places=(Place(unit="little", cores=2, freq_hz=1_844_000_000),),
    sample_s=((1e-3,), (1e-3,), (1e-3,)),
    peak_w=((1.0,), (1.0,), (1.0,)),
    mean_w=((1.0,), (1.0,), (1.0,)),
    bytes_per_sample=(0.0, 0.0, 0.0),
    curve=Efficiency((8, 16), (100.0, 200.0)),
    origin="modelled",
)
"""Twice the samples with twice the batch, and with half the depth."""


class Pause(msgspec.Struct):
    """A grant that comes after a pause; `then` happens meanwhile, the training being kept."""

    grant: Grant
    then: Callable[[], object] = lambda: None


def grant(setting: int = 0, cores: tuple[int, ...] = (0, 1), number: int = 1) -> Grant:
    """A grant of one of the settings."""
    return Grant(number, setting, KNOBS[setting], cores)


class FakeTrainer:
    """See rm.training_client.Trainer. `script` is what each call is answered with; the last stays.

    `reported` are the samples and losses that were told, `rounds` the rounds that were begun.
    """

    script: list[Grant | Pause]
    foreseen: Outlook = Outlook()
    made: "list[FakeTrainer]"

    def __init__(
        self,
        capability: Mapping[str, Any],
        *,
        checkpoint: Callable[[], object],
        **client: Any,
    ) -> None:
        self.capability, self.client = capability, client
        self._checkpoint = checkpoint
        self.grant = grant(number=0)
        self.outlook = Outlook()
        self.reported: list[tuple[int, int, float]] = []
        self.rounds: list[tuple[float, float, int | None]] = []
        self.closed = False
        FakeTrainer.made.append(self)

    def __enter__(self) -> "FakeTrainer":
        return self

    def close(self) -> None:
        """Hang up."""
        self.closed = True

    def begin_round(self, *, samples: float, deadline_s: float, number: int | None) -> Outlook:
        """Take it down."""
        self.rounds.append((samples, deadline_s, number))
        self.outlook = FakeTrainer.foreseen
        return self.outlook

    def wait(self) -> Grant:
        """The next word."""
        return self._next()

    def step(self, *, samples: int, loss: float) -> Grant:
        """Take it down; the next word."""
        self.reported.append((self.grant.setting, samples, loss))
        return self._next()

    def _next(self) -> Grant:
        script = FakeTrainer.script
        word = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(word, Pause):
            self._checkpoint()
            word.then()
            word = word.grant._replace(paused_s=1.5)
        self.grant = word._replace(paused_s=0.0)
        return word
