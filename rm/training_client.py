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
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from rm.client import DEFAULT_SOCKET
from rm.training_talk import WAIT_S, Outlook, Round, Talk

__all__ = ["ASK_S", "LONGEST_TRAIN_BYTES", "PENDING_S", "Grant", "Outlook", "Trainer"]

ASK_S = 0.2
"""The daemon is asked at most once in so long."""

PENDING_S = 5.0
"""So long `wait` waits for the first decision; a daemon that makes none must not stop training."""

LONGEST_TRAIN_BYTES = 1 << 18


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


class Trainer:
    """A training loop's end of the daemon's socket; threads may share it.

    `grant` is the last one. A process that is forked off has no job: its calls return it, and count
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
        train = {"type": "train"} | {k: v for k, v in wish.items() if v not in (None, {})}
        _check_train(train)
        self.grant = Grant(0, 0, settings[0], _own_cores())
        self._settings = settings
        self._checkpoint = checkpoint
        self._on_grant = on_grant
        self._patience_s = patience_s
        self._clock = clock
        self._talk = Talk(
            os.fspath(socket_path),
            train,
            settings=len(settings),
            patience_s=patience_s,
            clock=clock,
        )
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._applied: Grant | None = None
        self._began = 0
        self._is_unsaved = self._is_pausing = False

    def __enter__(self) -> "Trainer":
        with self._lock:
            self._talk.ask("progress", self._patience_s)
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
        return self._talk.is_registered

    @property
    def problem(self) -> str | None:
        """Why no daemon governs, None while one does."""
        return self._talk.problem

    @property
    def outlook(self) -> Outlook:
        """What was last said of the round."""
        return self._talk.outlook

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
            self._began += 1
            number = self._began if number is None else number
            new = Round(number, samples, deadline_s, self._clock())
            self._talk.begin_round(new, self._patience_s)
            return self.outlook

    def wait(self) -> Grant:
        """Wait for cores, as `step` does, with nothing done."""
        return self._go_on(0.0, None)

    def step(self, *, samples: float, loss: float | None = None) -> Grant:
        """Say that so many samples more were done by the last grant; how to go on.

        Where the daemon wants to have the cores back, it saves, and returns when there are some.
        """
        _check_number("samples", samples)
        if self._talk.round is None:
            raise ValueError("begin_round must come before step (got no round)")
        return self._go_on(samples, loss)

    def close(self) -> None:
        """Hang up: the job is ended, and who waits in `step` goes on."""
        if not self._is_here():
            return
        self._closed.set()
        with self._lock:
            self._talk.end()

    # --- a step ---------------------------------------------------------------------------------

    def _is_here(self) -> bool:
        """Whether this process made this; one that was forked off lets go of its parent's line."""
        if os.getpid() == self._process:
            return True
        self._talk.let_go()
        return False

    def _go_on(self, samples: float, loss: float | None) -> Grant:
        if not self._is_here():
            return self.grant
        with self._lock:
            self._talk.count(self.grant.setting, samples, loss)
            self._is_unsaved = self._is_unsaved or samples > 0.0
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

    def _ask_if_due(self) -> None:
        if not self._closed.is_set() and self._clock() - self._talk.asked_s >= ASK_S:
            self._talk.ask("progress", WAIT_S)

    def _must_wait(self) -> bool:
        """Whether the cores are not ours: taken back, or not given yet."""
        talk, word, now_s = self._talk, self._talk.word, self._clock()
        if self._closed.is_set() or talk.round is None or word is None or not word.forbids:
            return False
        if not talk.is_registered and now_s - talk.alone_since_s >= self._patience_s:
            return False
        if word.is_undecided:
            return self._applied is None and now_s - talk.undecided_since_s < PENDING_S
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
            if self._talk.word is not None and not self._talk.word.is_undecided:
                self._talk.ask("paused", WAIT_S)

    def _waits_on(self) -> bool:
        with self._lock:
            self._ask_if_due()
            return self._must_wait()

    def _adopted(self, paused_s: float) -> Grant:
        """The daemon's last word where it lets us train, else the last grant that did."""
        word = self._talk.word
        if word is not None and word.binding and word.state == "granted":
            knobs = self._settings[word.setting]
            self.grant = Grant(word.number, word.setting, knobs, word.cores, word.accelerator)
        return self.grant._replace(paused_s=paused_s)


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
