"""Let the ilgov daemon govern a training loop. Standard library only.

    with Trainer("capability.json", name="tiny", checkpoint=save) as trainer:
        outlook = trainer.begin_round(samples=2000, deadline_s=120.0)
        grant = trainer.wait()
        while not done:
            loss = train_a_batch(grant.knobs["batch"])
            grant = trainer.step(samples=grant.knobs["batch"], loss=loss)

The daemon says by which knobs to train, and on which cores; a grant holds from the call that
returned it to the next one. Where it wants the cores back, `step` saves by `checkpoint` and returns
when there are cores again.

Training never depends on the daemon: where none runs, or it hangs, or it ends, or it refuses, all
goes on by the last grant (without one: by the capability's first setting), and a later call
registers again, with what of the round is done already. None of it raises.
"""

import json
import logging
import math
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rm.client import DEFAULT_SOCKET, FIRST_PAUSE_S, LONGEST_PAUSE_S, Gone, Line, SentAway

ASK_S = 0.2
"""The daemon is asked at most once in so long."""

WAIT_S = 0.05
"""So long `step` waits for an answer, a round of the daemon's; one that is late is taken by a later
call. A daemon that hangs costs this once for every attempt to connect."""

IN_PASSING_S = 2.0
"""After an answer that was late none is waited for, for so long."""

PENDING_S = 5.0
"""So long `wait` waits for the first decision; a daemon that makes none must not stop training."""

REFUSED_PAUSE_S = 30.0
"""A daemon that has refused is asked again after so long: its configuration may be another then."""

LONGEST_TRAIN_BYTES = 1 << 18

_log = logging.getLogger("ilgov.training")


class Grant(NamedTuple):
    """What a training loop may do until it asks again.

    `number` counts the daemon's decisions, 0 for none. `knobs` are those of the capability's
    `setting`. `cores` are those that it has (without a decision: all that it may use); with an
    `accelerator` those are the host's. `paused_s` is how long the call has waited.
    """

    number: int
    setting: int
    knobs: Mapping[str, float]
    cores: tuple[int, ...]
    accelerator: str | None = None
    paused_s: float = 0.0


class Outlook(NamedTuple):
    """Whether a round `meets` its deadline, True where that is not known (`finish_s` None).

    `finish_s` is counted from its beginning, `samples_possible` are those until the deadline.
    """

    meets: bool = True
    finish_s: float | None = None
    samples_possible: float | None = None
    reason: str = ""


class _Word(NamedTuple):
    """What a daemon last said of the job; `state` as in `rm.training.job`."""

    number: int
    state: str
    setting: int
    cores: tuple[int, ...]
    accelerator: str | None
    binding: bool

    @property
    def forbids(self) -> bool:
        return self.binding and self.state in ("revoking", "paused", "expired")

    @property
    def is_undecided(self) -> bool:
        return self.number == 0


class _Round:
    """A round, and how many samples of it were done by each setting."""

    def __init__(self, number: int, samples: float, deadline_s: float, now_s: float) -> None:
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


class Trainer:
    """A training loop's end of the daemon's socket; threads may share it.

    `grant` and `outlook` are the last ones; `problem` is why no daemon governs, None while one
    does. A process that is forked off has no job: its calls return the last grant, and count
    nothing.
    """

    def __init__(
        self,
        capability: Mapping[str, Any] | str | os.PathLike[str],
        *,
        name: str | None = None,
        checkpoint: Callable[[], object] | None = None,
        on_grant: Callable[[Grant], object] | None = None,
        limits: Mapping[str, float] | None = None,
        pid: int | None = None,
        socket_path: str | os.PathLike[str] = DEFAULT_SOCKET,
        patience_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`capability` is what ``ilgov federated profile`` wrote: its path, or its content.

        `checkpoint` is called before a pause, if anything was done since the last one; `on_grant`
        whenever knobs or cores are others than before. `limits` are this job's own: `temp_c` (°C),
        `power_w`, `memory_bytes`, `grace_s` (how long it may take to pause). `pid` is the process
        that trains, if it is not this one. `patience_s` is how long a daemon may take to answer;
        `clock` gives monotonic seconds. Raises ValueError for what no daemon would take, OSError
        for a file that cannot be read.
        """
        read = _read(capability)
        settings = _settings(read)
        wish = {"name": name, "capability": read, "limits": dict(limits or {}), "pid": pid}
        self._train = {"type": "train"} | {k: v for k, v in wish.items() if v not in (None, {})}
        _check_train(self._train)
        self._settings = settings
        self._checkpoint = checkpoint
        self._on_grant = on_grant
        self._path = os.fspath(socket_path)
        self._patience_s = patience_s
        self._clock = clock
        self.grant = Grant(0, 0, settings[0], _own_cores())
        self.outlook = Outlook()
        self.problem: str | None = None
        self._applied: Grant | None = None
        self._round: _Round | None = None
        self._began = 0
        self._is_unsaved = False
        self._begin()

    def _begin(self) -> None:
        """Without a daemon."""
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._line: Line | None = None
        self._questions: deque[tuple[str, float]] = deque()
        self._is_registered = False
        self._word: _Word | None = None
        self._unsaid: dict[int, float] = {}
        self._loss: float | None = None
        self._asked_s = self._next_attempt_s = -math.inf
        self._alone_since_s = self._undecided_since_s = self._clock()
        self._pause_s = FIRST_PAUSE_S
        self._in_passing_until_s = -math.inf
        self._is_pausing = False

    def __enter__(self) -> "Trainer":
        with self._lock:
            self._ask("progress", self._patience_s)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether a daemon governed the training at the last call."""
        return self._is_registered

    def begin_round(
        self, *, samples: float, deadline_s: float, number: int | None = None
    ) -> Outlook:
        """Begin to work on `samples`, to be done in `deadline_s`; what was left before is dropped.

        `samples` are counted in the capability's first setting. The outlook is the daemon's, at
        once, so that who waits for the round can plan anew. Where there is no daemon it says so.
        """
        _check_number("samples", samples)
        _check_number("deadline_s", deadline_s)
        if not self._is_here():
            return Outlook(reason="a process that was forked off has no job")
        with self._lock:
            self._report()
            self._began += 1
            number = self._began if number is None else number
            now_s = self._clock()
            self._round = _Round(number, samples, deadline_s, now_s)
            self._undecided_since_s = now_s
            self.outlook = Outlook(reason="the daemon has not answered yet")
            self._ask("round", self._patience_s)
            if not self._is_registered:
                self.outlook = Outlook(reason=self.problem or "no daemon answers")
            return self.outlook

    def wait(self) -> Grant:
        """Wait for cores, as `step` does, with nothing done."""
        return self._go_on(0.0, None)

    def step(self, *, samples: float, loss: float | None = None) -> Grant:
        """Say that so many samples more were done by the last grant; how to go on.

        Where the daemon wants to have the cores back, it saves, and returns when there are some.
        """
        _check_number("samples", samples)
        if self._round is None:
            raise ValueError("begin_round must come before step (got no round)")
        return self._go_on(samples, loss)

    def close(self) -> None:
        """Hang up: the job is ended, and who waits in `step` goes on."""
        if not self._is_here():
            return
        self._closed.set()
        with self._lock:
            if self._is_registered:
                self._report()
                self._say({"type": "end"})
            self._hang_up("closed")

    # --- a step ---------------------------------------------------------------------------------

    def _is_here(self) -> bool:
        """Whether this process made this; one that was forked off lets go of its parent's line."""
        if os.getpid() == self._process:
            return True
        if self._line is not None:
            self._line.close()
            self._line = None
        return False

    def _go_on(self, samples: float, loss: float | None) -> Grant:
        if not self._is_here():
            return self.grant
        with self._lock:
            self._count(samples, loss)
            self._ask_if_due()
            must_wait = self._must_wait()
        paused_s = self._paused() if must_wait else 0.0
        with self._lock:
            grant = self._adopted(paused_s)
            is_new = self._applied is None or grant[1:5] != self._applied[1:5]
            self._applied = grant
        if is_new and self._on_grant is not None:
            self._on_grant(grant)
        return grant

    def _count(self, samples: float, loss: float | None) -> None:
        """By the setting that it was done by, for this daemon and for the next one."""
        if loss is not None and math.isfinite(loss):
            self._loss = float(loss)
        if samples and self._round is not None:
            for counts in (self._round.done, self._unsaid):
                counts[self.grant.setting] = counts.get(self.grant.setting, 0.0) + samples
            self._is_unsaved = True

    def _ask_if_due(self) -> None:
        if not self._closed.is_set() and self._clock() - self._asked_s >= ASK_S:
            self._ask("progress", WAIT_S)

    def _must_wait(self) -> bool:
        """Whether the cores are not ours: taken back, or not given yet."""
        word, now_s = self._word, self._clock()
        if self._closed.is_set() or self._round is None or word is None or not word.forbids:
            return False
        if not self._is_registered and now_s - self._alone_since_s >= self._patience_s:
            return False
        if word.is_undecided:
            return self._applied is None and now_s - self._undecided_since_s < PENDING_S
        return True

    def _paused(self) -> float:
        """Save, say so, and wait until there are cores, or no daemon that could give any."""
        start_s = self._clock()
        with self._lock:
            is_first, self._is_pausing = not self._is_pausing, True
            saves = is_first and self._is_unsaved and self._checkpoint is not None
        try:
            if is_first:
                self._pause(saves=saves)
            while self._waits_on():
                self._closed.wait(ASK_S)
        finally:
            if is_first:
                self._is_pausing = False
        return self._clock() - start_s

    def _pause(self, *, saves: bool) -> None:
        if saves and self._checkpoint is not None:
            self._checkpoint()
        with self._lock:
            self._is_unsaved = self._is_unsaved and not saves
            if self._word is not None and not self._word.is_undecided:
                self._ask("paused", WAIT_S)

    def _waits_on(self) -> bool:
        with self._lock:
            self._ask_if_due()
            return self._must_wait()

    def _adopted(self, paused_s: float) -> Grant:
        """The daemon's last word where it lets us train, else the last grant that did."""
        word = self._word
        if word is not None and word.binding and word.state == "granted":
            knobs = self._settings[word.setting]
            self.grant = Grant(word.number, word.setting, knobs, word.cores, word.accelerator)
        return self.grant._replace(paused_s=paused_s)

    # --- talking --------------------------------------------------------------------------------

    def _ask(self, kind: str, wait_s: float) -> None:
        """Ask, unless answers are awaited still, and take what comes within `wait_s`.

        After an answer that was late the next ones are taken in passing.
        """
        self._asked_s = self._clock()
        self._hear()
        if self._line is None and self._asked_s >= self._next_attempt_s:
            self._connect()
        if self._is_registered and (kind != "progress" or not self._questions):
            self._question(kind)
        if wait_s > WAIT_S or self._asked_s >= self._in_passing_until_s:
            self._listen(self._asked_s + wait_s)

    def _listen(self, end_s: float) -> None:
        while self._questions and self._line is not None and (left_s := end_s - self._clock()) > 0:
            self._line.wait(left_s)
            self._hear()
        if self._questions:
            self._in_passing_until_s = end_s + IN_PASSING_S

    def _question(self, kind: str) -> None:
        if kind == "round" and self._round is not None:
            self._say(self._round.message(self._clock()))
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
        if not self._is_registered or self._word is None:
            return
        unsaid = {} if self._word.state == "paused" else self._unsaid
        for setting, samples in [*unsaid.items()] or [(self.grant.setting, 0.0)] * always:
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
        self._settings[setting]  # IndexError
        self._word = _Word(
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
        self._is_registered = True
        self._undecided_since_s = self._clock()
        self._pause_s = FIRST_PAUSE_S
        self.problem = None
        if self._round is not None:
            self._question("round")

    def _be_refused(self, why: str) -> None:
        """What was refused once is asked for again much later, what was granted once soon."""
        if not self._is_registered:
            self._next_attempt_s = self._clock() + REFUSED_PAUSE_S
            _log.warning("the daemon refuses, training goes on by itself: %s", why)
        self._hang_up(why)

    def _hang_up(self, why: str) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._is_registered:
            self._alone_since_s = self._clock()
        self._is_registered = False
        self._questions.clear()
        self._be_alone(why)

    def _be_alone(self, why: str) -> None:
        if self.problem != why:
            _log.info("training goes on by itself: %s", why)
        self.problem = why


def _read(capability: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    if isinstance(capability, Mapping):
        return dict(capability)
    read = json.loads(Path(capability).read_bytes())
    if not isinstance(read, dict):
        raise ValueError(f"{os.fspath(capability)} must hold a JSON object (got {type(read)})")
    return read


def _settings(capability: Mapping[str, Any]) -> tuple[Mapping[str, float], ...]:
    """The knobs of every setting. Raises ValueError."""
    try:
        found = tuple(dict(setting["knobs"]) for setting in capability["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"capability.settings must be a list of objects that have knobs ({error!r})"
        ) from error
    if not found:
        raise ValueError("capability.settings must have at least one (got none)")
    return found


def _check_train(message: dict[str, Any]) -> None:
    """Refuse here what the daemon would hang up for. Raises ValueError."""
    name = message.get("name")
    if name is not None and not 1 <= len(name) <= 64:
        raise ValueError(f"name must have 1 to 64 characters (got {name!r})")
    pid = message.get("pid")
    if pid is not None and not 1 <= pid <= 4_194_304:
        raise ValueError(f"pid must be that of a process (got {pid!r})")
    try:
        size = len(json.dumps(message, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"capability must be JSON with finite numbers ({error})") from error
    if size > LONGEST_TRAIN_BYTES:
        raise ValueError(
            f"capability must have at most {LONGEST_TRAIN_BYTES} bytes as JSON (got {size}); "
            "fewer settings or places help"
        )


def _check_number(key: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{key} must be a number above 0 (got {value!r})")


def _own_cores() -> tuple[int, ...]:
    return tuple(sorted(os.sched_getaffinity(0)))


def _outlook(said: Mapping[str, Any]) -> Outlook:
    return Outlook(
        bool(said["meets"]),
        said.get("finish_s"),
        said.get("samples_possible"),
        str(said.get("reason", "")),
    )
