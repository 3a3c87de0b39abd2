"""What is said of a round before it is over: whether it can be done in time."""

import math

from msgspec import Struct


class Outlook(Struct, frozen=True):
    """What a training job may expect of its round, as soon as anybody knows.

    `finish_s` is in how many seconds from now the round is done (infinite: never, as things are),
    `samples_possible` how many reference samples of it are done by its deadline, those that are
    done already among them. `reason` says why it is late; it is empty where it is not.
    """

    meets: bool
    finish_s: float
    samples_possible: float
    reason: str = ""


NOTHING_TO_DO = Outlook(meets=True, finish_s=0.0, samples_possible=0.0)
"""The outlook of a job that has no round."""


def outlook(
    *, samples: float, done: float, time_s: float, finish_s: float, reason: str = ""
) -> Outlook:
    """The outlook of a round of `samples`, of which `done` are done with `time_s` to go.

    `finish_s` says when all would be done at the pace that is planned; `reason` why no faster. A
    round that is late always has a reason.

    >>> outlook(samples=100.0, done=20.0, time_s=10.0, finish_s=8.0).meets
    True
    >>> outlook(samples=100.0, done=20.0, time_s=10.0, finish_s=16.0)
    Outlook(meets=False, finish_s=16.0, samples_possible=70.0, reason='16.0 s of work, 10.0 s left')
    """
    left = max(0.0, samples - done)
    if left == 0.0 or finish_s <= time_s:
        return Outlook(True, max(0.0, finish_s) if left else 0.0, samples)
    possible = done + left * max(0.0, time_s) / finish_s
    text = "it may not train now" if math.isinf(finish_s) else f"{finish_s:.1f} s of work"
    why = f"{reason}: {text}" if reason else text
    return Outlook(False, finish_s, possible, f"{why}, {max(0.0, time_s):.1f} s left")
