"""Back ends with the faults that vendors' code shows; each name here is one, as `module:callable`.

They run in a process of their own, started by the tests of isolation. All compute as numpy does,
until their fault shows.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec.structs import replace

from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.policy_file import PolicyFile

LATE_S = float(os.environ.get("FAULTY_BACKEND_LATE_S", "0.06"))
"""How long a late answer takes, seconds: 10 ms more than the usual deadline."""

SLOW_S = float(os.environ.get("FAULTY_BACKEND_SLOW_S", "0.03"))
"""How long a slow answer takes, seconds: within the usual deadline, and near it."""


class _Faulty(NumpyBackend):
    """Computes as numpy does, and lets `fault` have its scores; not while it is warmed up."""

    def __init__(self, file: PolicyFile, fault: Callable[[Any], Any]) -> None:
        super().__init__(file)
        self._fault = fault

    def run(self, rows: Any) -> Any:
        """The scores as the fault leaves them."""
        scores = super().run(rows)
        return self._fault(scores) if hasattr(self, "_fault") and rows.any() else scores


def sound(file: PolicyFile) -> _Faulty:
    """No fault at all."""
    return _Faulty(file, lambda scores: scores)


def hang(file: PolicyFile) -> _Faulty:
    """Never answers, and ignores every signal that can be ignored."""

    def for_ever(scores: Any) -> Any:
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            time.sleep(60)

    return _Faulty(file, for_ever)


def crash(file: PolicyFile) -> _Faulty:
    """Dies as by a segmentation fault."""
    return _Faulty(file, lambda scores: os.kill(os.getpid(), signal.SIGSEGV))


def quits(file: PolicyFile) -> _Faulty:
    """Raises, as a library does that lost its device."""

    def lost(scores: Any) -> Any:
        raise OSError("the device is gone")

    return _Faulty(file, lost)


def nan(file: PolicyFile) -> _Faulty:
    """Answers NaN, but not for the canary."""

    def spoil(scores: Any) -> Any:
        scores[0] = np.nan
        return scores

    return _Faulty(file, spoil)


def zeros(file: PolicyFile) -> _Faulty:
    """Answers zeros, which pass for scores."""
    return _Faulty(file, np.zeros_like)


def stale(file: PolicyFile) -> _Faulty:
    """Answers for ever what it answered first."""
    first: list[Any] = []

    def keep(scores: Any) -> Any:
        first.append(scores)
        return np.resize(first[0], scores.shape)

    return _Faulty(file, keep)


def wrong(file: PolicyFile) -> _Faulty:
    """Answers the right scores in the wrong rows."""
    return _Faulty(file, lambda scores: np.roll(scores, 1, axis=0))


def short(file: PolicyFile) -> _Faulty:
    """Leaves the last row out."""
    return _Faulty(file, lambda scores: scores[:-1])


def late(file: PolicyFile) -> _Faulty:
    """Answers rightly, 10 ms after the deadline."""

    def wait(scores: Any) -> Any:
        time.sleep(LATE_S)
        return scores

    return _Faulty(file, wait)


def slow(file: PolicyFile) -> _Faulty:
    """Answers rightly after `SLOW_S`."""

    def wait(scores: Any) -> Any:
        time.sleep(SLOW_S)
        return scores

    return _Faulty(file, wait)


def slightly_off(file: PolicyFile) -> _Faulty:
    """Answers 1 % of the range too much: too little for the canary."""
    right = np.asarray(file.metadata.parity_outputs, np.float32)
    return _Faulty(file, lambda scores: scores + np.float32(0.01 * np.ptp(right)))


def forgetful(file: PolicyFile) -> NumpyBackend:
    """Scores rightly, and leaves the rows empty that it was given."""

    class Forgetful(NumpyBackend):
        def run(self, rows: Any) -> Any:
            scores = super().run(rows)
            if rows.flags.writeable:
                rows[:] = 0.0
            return scores

    return Forgetful(file)


def wide(file: PolicyFile) -> _Faulty:
    """Answers one score too many in every row."""
    return _Faulty(file, lambda scores: np.hstack([scores, scores[:, :1]]))


def refuses(file: PolicyFile) -> _Faulty:
    """Finds no device when it is opened."""
    raise OSError("no NPU on this machine")


def never_ready(file: PolicyFile) -> _Faulty:
    """Hangs while it loads its policy."""
    time.sleep(3600)
    return sound(file)


def chatty(file: PolicyFile) -> _Faulty:
    """Prints to standard output, as vendors' libraries do, and is well otherwise."""
    sys.stdout.write("vendor library, version 1\n")
    sys.stdout.flush()
    return sound(file)


def uneven(file: PolicyFile) -> _Faulty:
    """Off by 0.0024, every other output the other way, as float16 is at worst; and says so."""
    off = np.resize(np.array([0.0024, -0.0024], np.float32), len(file.metadata.outputs))
    found = _Faulty(file, lambda scores: scores + off)
    found.capabilities = replace(found.capabilities, precision="float16")
    return found


def leaves(file: PolicyFile) -> _Faulty:
    """Ends its process when it is opened a second time, with a word and code 1."""
    _opened.append(file)
    if len(_opened) > 1:
        sys.stderr.write("the licence is for one call\n")
        sys.exit(1)
    return sound(file)


_opened: list[PolicyFile] = []
