"""Count the instructions that an action executes, in the guest: there, time is made of them.

With the ``icount`` clock every instruction takes ``2 ** shift`` ns of guest time, whatever it is
and however busy the host is. The kernel's instructions count as well, and those of whatever else
runs meanwhile: with nothing else running, the fewest of several rounds are the action's own.
"""

import time
from collections.abc import Callable
from pathlib import Path

_COMMAND_LINE = Path("/proc/cmdline")
_WORD = "rig.shift="


def counted(action: Callable[[], object]) -> int:
    """Instructions of one run of an action, and of whatever else runs meanwhile."""
    return round(_took_ns(action) / nanoseconds_per_instruction())


def nanoseconds_per_instruction(command_line: Path = _COMMAND_LINE) -> int:
    """How long an instruction takes, as the guest was started."""
    for word in command_line.read_text().split():
        if word.startswith(_WORD):
            return 1 << int(word.removeprefix(_WORD))
    raise ValueError(f"time is no count of instructions here: {command_line} has no {_WORD}N")


def _took_ns(action: Callable[[], object]) -> int:
    start_ns = time.perf_counter_ns()
    action()
    return time.perf_counter_ns() - start_ns
