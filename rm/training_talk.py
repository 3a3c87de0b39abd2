"""What a training client and the daemon say to each other. Standard library only.

`rm.training_client` is what a training loop uses.
"""

import logging
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rm.client import FIRST_PAUSE_S, LONGEST_PAUSE_S, Gone, Line, SentAway

WAIT_S = 0.05
"""So long `step` waits for an answer, a round of the daemon's; one that is late is taken by a later
call. A daemon that hangs costs this once for every attempt to connect."""

IN_PASSING_S = 2.0
"""After an answer that was late none is waited for, for so long."""

REFUSED_PAUSE_S = 30.0
"""A daemon that has refused is asked again after so long: its configuration may be another then."""

_log = logging.getLogger("ilgov.training")


class Outlook(NamedTuple):
    """Whether a round `meets` its deadline, True where that is not known (`finish_s` None).

    `finish_s` is counted from its beginning, `samples_possible` are those until the deadline.
    """

    meets: bool = True
    finish_s: float | None = None
    samples_possible: float | None = None
    reason: str = ""


class Word(NamedTuple):
    """What a daemon last said of the job; `state` as in `rm.training.job`."""

    number: int
    state: str
    setting: int
    cores: tuple[int, ...]
    accelerator: str | None
    binding: bool

    @property
    def forbids(self) -> bool:
        """Whether the job may not train."""
        return self.binding and self.state in ("revoking", "paused", "expired")

    @property
    def is_undecided(self) -> bool:
        """Whether nothing was decided about it yet."""
        return self.number == 0


class Round:
    """A round, and how many samples of it were done by each setting."""

    def __init__(self, number: int, samples: float, deadline_s: float, now_s: float) -> None:
        """Nothing of it is done."""
        self.number = number
        self.samples = samples
        self.ends_s = now_s + deadline_s
        self.done: dict[int, float] = {}

    def message(self, now_s: float) -> dict[str, Any]:
        """The round as it is now, for a daemon that knows nothing of it."""
        return {
            "type": "round",
            "number": self.number,
            "samples": self.samples,
            "deadline_s": max(self.ends_s - now_s, 0.001),
            "done": [[setting, samples] for setting, samples in sorted(self.done.items())],
        }


class Talk:
    """One job's talk with whichever daemon is there, none of which raises.

    `word` is what was last said of the job, `outlook` of its `round`; `problem` is why no daemon
    governs. `alone_since_s` and `undecided_since_s` say since when that is so.
    """

    def __init__(
        self,
        path: str,
        train: Mapping[str, Any],
        *,
        settings: int,
        patience_s: float,
        clock: Callable[[], float],
    ) -> None:
        """`train` is the message that registers the job, which has so many settings."""
        self.word: Word | None = None
        self.outlook = Outlook()
        self.problem: str | None = None
        self.is_registered = False
        self.round: Round | None = None
        self.asked_s = -math.inf
        self.alone_since_s = self.undecided_since_s = clock()
        self._path = path
        self._train = dict(train)
        self._settings = settings
        self._patience_s = patience_s
        self._clock = clock
        self._line: Line | None = None
        self._questions: deque[tuple[str, float]] = deque()
        self._unsaid: dict[int, float] = {}
        self._loss: float | None = None
        self._next_attempt_s = self._in_passing_until_s = -math.inf
        self._pause_s = FIRST_PAUSE_S

    def count(self, setting: int, samples: float, loss: float | None) -> None:
        """So many samples of the round were done, for this daemon and for the next one."""
        if loss is not None and math.isfinite(loss):
            self._loss = float(loss)
        if samples and self.round is not None:
            for counts in (self.round.done, self._unsaid):
                counts[setting] = counts.get(setting, 0.0) + samples

    def begin_round(self, new: Round, wait_s: float) -> None:
        """Say that another round begins; what was done of the one before is said first."""
        self._report()
        self.round = new
        self.undecided_since_s = self._clock()
        self.outlook = Outlook(reason="the daemon has not answered yet")
        self.ask("round", wait_s)
        if not self.is_registered:
            self.outlook = Outlook(reason=self.problem or "no daemon answers")

    def end(self) -> None:
        """The job is over."""
        if self.is_registered:
            self._report()
            self._say({"type": "end"})
        self._hang_up("closed")

    def let_go(self) -> None:
        """Close the line in a process that was forked off: it is the parent's."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def ask(self, kind: str, wait_s: float) -> None:
        """Ask, unless answers are awaited still, and take what comes within `wait_s`.

        After an answer that was late the next ones are taken in passing.
        """
        self.asked_s = self._clock()
        self._hear()
        if self._line is None and self.asked_s >= self._next_attempt_s:
            self._connect()
        if self.is_registered and (kind != "progress" or not self._questions):
            self._question(kind)
        if wait_s > WAIT_S or self.asked_s >= self._in_passing_until_s:
            self._listen(self.asked_s + wait_s)

    def _listen(self, end_s: float) -> None:
        while self._questions and self._line is not None and (left_s := end_s - self._clock()) > 0:
            self._line.wait(left_s)
            self._hear()
        if self._questions:
            self._in_passing_until_s = end_s + IN_PASSING_S

    def _question(self, kind: str) -> None:
        if kind == "round" and self.round is not None:
            self._say(self.round.message(self._clock()))
            self._unsaid.clear()
        elif kind == "paused":
            self._report()
            self._say({"type": "paused"})
        else:
            self._report(always=True)

    def _report(self, *, always: bool = False) -> None:
        """What was done since the last report, a message for each setting.

        A daemon that says that we are paused is not told, until it has decided again: it would take
        it for a pause that is ignored.
        """
        if not self.is_registered or self.word is None:
            return
        unsaid = {} if self.word.state == "paused" else self._unsaid
        for setting, samples in [*unsaid.items()] or [(self.word.setting, 0.0)] * always:
            message: dict[str, Any] = {"type": "progress", "samples": samples, "setting": setting}
            if self._loss is not None:
                message["loss"], self._loss = self._loss, None
            self._say(message)
        unsaid.clear()

    def _say(self, message: dict[str, Any]) -> None:
        if self._line is not None:
            self._questions.append((message["type"], self._clock()))
            self._line.say(message)

    def _connect(self) -> None:
        """Try once; what is done of the round is said when we are registered."""
        self._next_attempt_s = self._clock() + self._pause_s
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        try:
            self._line = Line(self._path)
        except OSError as error:
            self._be_alone(f"{self._path}: {error.strerror or error}")
            return
        self._say(self._train)

    def _hear(self) -> None:
        """Take what the daemon has said; one that does not answer in time is left."""
        if self._line is None:
            return
        try:
            for answer in self._line.answers():
                self._take(answer)
        except SentAway as away:
            self._be_refused(str(away))
            return
        except Gone as gone:
            self._hang_up(str(gone))
            return
        if self._questions and self._clock() - self._questions[0][1] >= self._patience_s:
            self._hang_up("the daemon does not answer")

    def _take(self, answer: dict[str, Any]) -> None:
        """Raises Gone where the daemon refuses, or talks rubbish."""
        if not self._questions:
            raise Gone("the daemon said what nobody had asked")
        kind, _ = self._questions.popleft()
        if answer.get("type") == "error":
            raise SentAway(str(answer.get("error")))
        try:
            self._understand(kind, answer["grant"] if kind == "train" else answer)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise Gone("the daemon's answer is no grant") from error

    def _understand(self, kind: str, said: Mapping[str, Any]) -> None:
        setting = int(said["setting"])
        if not 0 <= setting < self._settings:
            raise IndexError(setting)
        self.word = Word(
            int(said["number"]),
            str(said["state"]),
            setting,
            tuple(int(core) for core in said["cores"]),
            said["accelerator"],
            bool(said["binding"]),
        )
        if "round" not in (asked for asked, _ in self._questions):  # else it is of the last one
            self.outlook = _outlook(said["outlook"])
        if kind == "train":
            self._be_registered()

    def _be_registered(self) -> None:
        self.is_registered = True
        self.undecided_since_s = self._clock()
        self._pause_s = FIRST_PAUSE_S
        self.problem = None
        if self.round is not None:
            self._question("round")

    def _be_refused(self, why: str) -> None:
        """What was refused once is asked for again much later, what was granted once soon."""
        if not self.is_registered:
            self._next_attempt_s = self._clock() + REFUSED_PAUSE_S
            _log.warning("the daemon refuses, training goes on by itself: %s", why)
        self._hang_up(why)

    def _hang_up(self, why: str) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self.is_registered:
            self.alone_since_s = self._clock()
        self.is_registered = False
        self._questions.clear()
        self._be_alone(why)

    def _be_alone(self, why: str) -> None:
        if self.problem != why:
            _log.info("training goes on by itself: %s", why)
        self.problem = why


def _outlook(said: Mapping[str, Any]) -> Outlook:
    return Outlook(
        bool(said["meets"]),
        said.get("finish_s"),
        said.get("samples_possible"),
        str(said.get("reason", "")),
    )
