"""Files back to what they were, in an order that the kernel takes."""

import errno
import time
from collections.abc import Callable, Iterable, Mapping

from platforms.linux.errors import WriteRefused
from platforms.linux.knobs.knob_file import KnobFile

Open = Callable[[str], KnobFile]
Pause = Callable[[float], None]

_ORDER = ("scaling_governor", "governor", "scaling_setspeed", "set_freq")
"""First the governors: speeds are only taken under userspace, and a slow board speeds up."""
_SPEEDS = {"scaling_setspeed": ".", "set_freq": ".."}
"""Speeds under userspace, of cpufreq and of devfreq, and where their governor is from there."""
_LIMITS = ("/scaling_max_freq", "/scaling_min_freq", "/max_freq", "/min_freq")
_GONE = {errno.ENOENT, errno.ENODEV}
_PAUSE_S = 0.001
_PATIENCE = 50


def undo_files(
    old: Mapping[str, str], open_knob: Open, *, pause: Pause = time.sleep
) -> tuple[list[str], dict[str, str], list[str]]:
    """Write the old contents, by path; return the paths restored, those not and why, those gone.

    Refused writes are tried again as long as others succeed, because a lower limit is refused while
    the upper one is below it. What was written shows a moment later; it is waited for up to 50 ms.
    A limit of a clock that still reads otherwise was taken all the same: the kernel is throttling
    and goes back to it by itself.
    """
    gone: list[str] = []
    restored: list[str] = []
    problems: dict[str, str] = {}
    pending = sorted(old, key=_rank)
    while pending:
        problems = {}
        for path in pending:
            try:
                if _applies(path, old[path], open_knob):
                    open_knob(path).write(old[path])
                    restored.append(path)
            except WriteRefused as error:
                if error.errno in _GONE:
                    gone.append(path)
                else:
                    problems[path] = str(error)
        if len(problems) == len(pending):
            break
        pending = list(problems)
    wrong = _wait_for(restored, old, open_knob, pause)
    wrong = {path: text for path, text in wrong.items() if not path.endswith(_LIMITS)}
    problems.update(wrong)
    return [path for path in restored if path not in wrong], problems, gone


def never_set(path: str, old: str) -> bool:
    """Whether a knob had no value: a speed reads as a word outside userspace."""
    return _is_speed(path) and not old.isdigit()


def _is_speed(path: str) -> bool:
    return path.rpartition("/")[2] in _SPEEDS


def _rank(path: str) -> int:
    name = path.rpartition("/")[2]
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


def _applies(path: str, old: str, open_knob: Open) -> bool:
    """Whether there is anything to write: a speed was only ever set under userspace."""
    if not _is_speed(path):
        return True
    return not never_set(path, old) and open_knob(_governor_of(path)).read() == "userspace"


def _governor_of(path: str) -> str:
    """The governor's file beside a speed.

    >>> _governor_of("/sys/policy0/scaling_setspeed"), _governor_of("/sys/gpu/userspace/set_freq")
    ('/sys/policy0/scaling_governor', '/sys/gpu/governor')
    """
    folder, _, name = path.rpartition("/")
    if _SPEEDS[name] == "..":
        return f"{folder.rpartition('/')[0]}/governor"
    return f"{folder}/scaling_governor"


def _wait_for(
    paths: Iterable[str], old: Mapping[str, str], open_knob: Open, pause: Pause
) -> dict[str, str]:
    """Return the paths that still read otherwise after a while, and what they read."""
    wrong: dict[str, str] = {}
    waiting = [path for path in paths if not _is_speed(path)]
    for _ in range(_PATIENCE):
        wrong = {}
        for path in waiting:
            problem = _difference(path, old[path], open_knob)
            if problem is not None:
                wrong[path] = problem
        if not wrong:
            break
        pause(_PAUSE_S)
        waiting = list(wrong)
    return wrong


def _difference(path: str, old: str, open_knob: Open) -> str | None:
    try:
        now = open_knob(path).read()
    except WriteRefused as error:
        return str(error)
    if now == old:
        return None
    return f"{path} must read {old!r} again (got {now!r}, though the kernel took the write)"
