"""Count the instructions that an action executes, in the guest: there, time is made of them.

With the ``icount`` clock every instruction takes ``2 ** shift`` ns of guest time, whatever it is
and however busy the host is. The kernel's instructions count as well, and those of whatever else
runs meanwhile: with nothing else running, the fewest of several rounds are the action's own.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_COMMAND_LINE = Path("/proc/cmdline")
_WORD = "rig.shift="


@dataclass(frozen=True)
class Counted:
    """Instructions of one action: the fewest of all rounds, and the middle one."""

    least: int
    median: int


def instructions_of(
    action: Callable[[], object],
    *,
    rounds: int,
    warm_up: int = 3,
    before: Callable[[], object] = lambda: None,
) -> Counted:
    """Run an action again and again; `before` comes before each run and does not count.

    ValueError outside the guest, where nothing can be said.
    """
    ns_per_instruction = nanoseconds_per_instruction()
    overhead_ns = min(_took_ns(lambda: None) for _ in range(rounds))
    taken_ns = []
    for _ in range(warm_up + rounds):
        before()
        taken_ns.append(_took_ns(action) - overhead_ns)
    spent = sorted(taken_ns[warm_up:])
    least, median = spent[0], statistics.median(spent)
    return Counted(round(least / ns_per_instruction), round(median / ns_per_instruction))


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
