"""Who else turns the knobs that ilgov turns: two that do are worse than none.

Known by process name, program or systemd unit. Only processes of root count: the knobs are root's,
and nobody else may keep the daemon from starting by giving a process a rival's name.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Protocol

from msgspec import Struct

from platforms.linux.processes.processes import ProcessInfo

ANOTHER_ILGOV = "another ilgov"

_INTERPRETER = re.compile(r"python[\d.]*|perl|ba?sh|dash")
_SHOWN_BY_THE_KERNEL = 15
"""A process name has at most so many characters."""


class Kind(Struct, frozen=True):
    """A program that is known to turn ilgov's knobs.

    `programs` are names of processes or of what they run, a ``*`` at the end standing for anything;
    `units` are its systemd units; `turns` says which knobs.
    """

    name: str
    programs: tuple[str, ...]
    units: tuple[str, ...]
    turns: str


class Rival(Struct, frozen=True):
    """A rival that runs: who it is, which knobs it turns, how to be rid of it."""

    name: str
    pid: int
    unit: str
    turns: str
    way_out: str

    def __str__(self) -> str:
        where = f"pid {self.pid}, {self.unit}" if self.unit else f"pid {self.pid}"
        return f"{self.name} ({where}) sets {self.turns}; {self.way_out}"


class Table(Protocol):
    """Whoever lists processes; `platforms.linux.processes.processes.ProcessTable` does."""

    def scan(self) -> tuple[ProcessInfo, ...]:
        """The processes that run now."""
        ...


_GOVERNORS = "cpufreq governors and limits"

KNOWN = (
    Kind("tuned", ("tuned",), ("tuned.service",), f"{_GOVERNORS}, affinities"),
    Kind("thermald", ("thermald",), ("thermald.service",), "cooling devices and power limits"),
    Kind(
        "power-profiles-daemon",
        ("power-profiles-daemon",),
        ("power-profiles-daemon.service",),
        "platform profiles and energy preferences",
    ),
    Kind("auto-cpufreq", ("auto-cpufreq",), ("auto-cpufreq.service",), _GOVERNORS),
    Kind("TLP", ("tlp", "tlp-pd"), ("tlp.service", "tlp-pd.service"), _GOVERNORS),
    Kind(
        "throttled",
        ("throttled", "throttled.py", "lenovo_fix.py"),
        ("throttled.service", "lenovo_fix.service"),
        "power and temperature limits",
    ),
    Kind(
        "system76-scheduler",
        ("system76-scheduler",),
        ("com.system76.Scheduler.service",),
        "priorities and scheduler settings",
    ),
    Kind("system76-power", ("system76-power",), ("com.system76.PowerDaemon.service",), _GOVERNORS),
    Kind(
        "a sched_ext scheduler",
        ("scx_*",),
        ("scx.service", "scx_loader.service"),
        "where every thread runs, and frequencies",
    ),
    Kind("cpufreqd", ("cpufreqd",), ("cpufreqd.service",), _GOVERNORS),
    Kind("uperf", ("uperf",), ("uperf.service",), f"{_GOVERNORS}, affinities"),
    Kind("gamemode", ("gamemoded",), (), _GOVERNORS),
    Kind("mpdecision", ("mpdecision",), ("mpdecision.service",), "which cores are online"),
    Kind("thermal-engine", ("thermal-engine",), ("thermal-engine.service",), _GOVERNORS),
)


def find_rivals(table: Table, *, own_pid: int | None = None) -> tuple[Rival, ...]:
    """The rivals among the processes of `table`, a program with several of them once.

    `own_pid` (default: this process) is the one ilgov that is no rival.
    """
    own = os.getpid() if own_pid is None else own_pid
    found: dict[str, Rival] = {}
    for process in table.scan():
        rival = _rival(process) if process.key.pid != own else None
        if rival is not None:
            found.setdefault(rival.name, rival)
    return tuple(found.values())


def _rival(process: ProcessInfo) -> Rival | None:
    if process.uid != 0:
        return None
    if _is_ilgov(process):
        turns = "frequencies and affinities, as this one would"
        return _described(ANOTHER_ILGOV, process, turns)
    for kind in KNOWN:
        if process.unit in kind.units or any(_runs(process, name) for name in kind.programs):
            return _described(kind.name, process, kind.turns)
    return None


def _described(name: str, process: ProcessInfo, turns: str) -> Rival:
    pid, unit = process.key.pid, process.unit
    stop = f"systemctl disable --now {unit}" if unit.endswith(".service") else f"kill {pid}"
    return Rival(name, pid, unit, turns, f"stop it: {stop}")


def _runs(process: ProcessInfo, program: str) -> bool:
    """Whether a process is this program: by its name, its file, or the script that it runs."""
    if program.endswith("*"):
        return any(name.startswith(program[:-1]) for name in _names(process))
    return process.name == program[:_SHOWN_BY_THE_KERNEL] or program in _names(process)


def _names(process: ProcessInfo) -> Iterator[str]:
    yield process.name
    yield PurePath(process.executable).name
    yield from _programs(process.command_line.split())


def _programs(words: list[str]) -> Iterator[str]:
    """The file names of what a command line runs: the program, and an interpreter's script.

    >>> list(_programs(["/usr/bin/python3", "-Es", "/usr/sbin/tuned", "-l"]))
    ['python3', 'tuned']
    """
    if not words:
        return
    program = PurePath(words[0]).name
    yield program
    if _INTERPRETER.fullmatch(program):
        scripts = (word for word in words[1:] if not word.startswith("-"))
        yield from (PurePath(script).name for script in list(scripts)[:1])


def _is_ilgov(process: ProcessInfo) -> bool:
    """``ilgov run``, however it was started, unless it writes nothing here.

    It does not with ``--dry-run``, and with ``--root`` it writes elsewhere.
    """
    words = process.command_line.split()
    if "run" not in words or "--dry-run" in words or _root_of(words) != "/":
        return False
    before = words[: words.index("run")]
    return "ilgov" in _programs(words) or before[-2:] == ["-m", "rm.main"]


def _root_of(words: list[str]) -> str:
    """The ``--root`` of a command line.

    >>> _root_of(["ilgov", "run", "--root", "/mnt"]), _root_of(["ilgov", "run", "--root=/mnt"])
    ('/mnt', '/mnt')
    """
    for word, following in zip(words, [*words[1:], "/"], strict=True):
        option, given, value = word.partition("=")
        if option == "--root":
            return value if given else following
    return "/"


def sentences(rivals: Iterable[Rival]) -> str:
    """All rivals in one text, as the daemon refuses with it."""
    return "; ".join(map(str, rivals))
