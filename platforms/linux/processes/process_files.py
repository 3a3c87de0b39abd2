"""What the files under ``/proc/PID`` say: read in one go, taken apart by pure functions."""

import os

from msgspec import Struct

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
"""Clock ticks in a second, the unit of CPU times and start times in ``stat``."""

_MOST_BYTES = 4096
_TO_READ = os.O_RDONLY | os.O_CLOEXEC
_DEAD = b"XxZ"
_BEFORE_START = 19
"""Fields between a process's name and its start."""


class Stat(Struct, frozen=True, gc=False):
    """The fields of ``/proc/PID/stat`` that ilgov needs; see proc_pid_stat(5).

    `cpu_ticks` is time in user and kernel mode, of all threads for a process, of one for a thread.
    `core` is the one that it last ran on.
    """

    name: str
    state: str
    parent: int
    cpu_ticks: int
    threads: int
    start_ticks: int
    core: int

    @property
    def is_dead(self) -> bool:
        """Whether only its exit status is left. A process may outlive its first thread."""
        return self.state in "XxZ" and self.threads <= 1


def read_once(path: str, most_bytes: int = _MOST_BYTES) -> bytes:
    """The first `most_bytes` of a file; OSError as the kernel's."""
    descriptor = os.open(path, _TO_READ)
    try:
        return os.read(descriptor, most_bytes)
    finally:
        os.close(descriptor)


def parse_stat(line: bytes) -> Stat:
    """Take ``/proc/PID/stat`` apart; the name may hold spaces and parentheses.

    Raises ValueError for what is not such a line.

    >>> fields = b"S 1 7 7 0 -1 0 0 0 0 0 30 12 0 0 20 0 3 0 54321" + b" 0" * 16 + b" 5 0"
    >>> stat = parse_stat(b"7 (a) (b c) " + fields)
    >>> stat.name, stat.parent, stat.cpu_ticks, stat.threads, stat.start_ticks, stat.core
    ('a) (b c', 1, 42, 3, 54321, 5)
    """
    begin, end = line.find(b"(") + 1, line.rfind(b")")
    fields = line[end + 2 :].split(b" ", 37)  # what comes after the core stays in one piece
    if begin < 1 or end < begin or len(fields) < 37:
        raise ValueError(f"a line of /proc/PID/stat must have 39 fields or more (got {line!r})")
    return Stat(
        line[begin:end].decode("utf-8", "replace"),
        fields[0].decode("ascii", "replace"),
        int(fields[1]),
        int(fields[11]) + int(fields[12]),
        int(fields[17]),
        int(fields[19]),
        int(fields[36]),
    )


class Beginning(Struct, frozen=True, gc=False):
    """How a line of ``/proc/PID/stat`` begins, so that most lines need not be taken apart.

    `named` goes as far as the name, `parent` is the parent's number; the state is between them.
    """

    named: bytes
    parent: bytes

    @classmethod
    def of(cls, line: bytes) -> "Beginning":
        """That of a line which `parse_stat` has understood."""
        end = line.rfind(b")")
        parent, space, _ = line[end + 4 :].partition(b" ")
        return cls(line[: end + 2], parent + space)

    def is_that_of_a_living(self, line: bytes) -> bool:
        """Whether this line begins so, and its process is not dead (see `Stat`)."""
        end = line.rfind(b")")
        return (
            line[: end + 2] == self.named
            and line.startswith(self.parent, end + 4)
            and line[end + 2] not in _DEAD
        )


def start_text(start_ticks: int) -> bytes:
    """A start time as it stands in a line of ``/proc/PID/stat``."""
    return b" %d " % start_ticks


def runs_since(line: bytes, start: bytes) -> bool:
    """Whether a line of ``/proc/PID/stat`` is that of a process with this start, and not dead.

    `start` is from `start_text`. Mostly the line need not be taken apart for it.
    """
    end = line.rfind(b")")
    at = line.find(start, end)
    if at < 0:
        return False
    if line[end + 2] not in _DEAD and line.count(b" ", end, at) == _BEFORE_START:
        return True
    fields = line[end + 2 :].split(b" ", _BEFORE_START + 1)
    if len(fields) <= _BEFORE_START:
        return False
    is_dead = fields[0] in _DEAD and fields[17] in (b"0", b"1")
    return fields[_BEFORE_START] == start[1:-1] and not is_dead


def core_in(line: bytes, start: bytes) -> int | None:
    """The core that a process last ran on, out of ``/proc/PID/stat``; None where it says none.

    With its `start`, from `start_text`, only what comes after that has to be taken apart.
    """
    end = line.rfind(b")")
    at = line.find(start, end)
    if at >= 0 and line.count(b" ", end, at) == _BEFORE_START:
        fields = line[at + len(start) :].split(b" ", 17)[16:17]
    else:
        fields = line[end + 2 :].split(b" ", 37)[36:37]
    return int(fields[0]) if fields and fields[0].isdigit() else None


def read_stat(path: str) -> Stat | None:
    """`parse_stat` of a file, None where it cannot be read or makes no sense."""
    try:
        return parse_stat(read_once(path))
    except (OSError, ValueError):
        return None


def parse_uid(status: bytes) -> int | None:
    r"""The effective user out of ``/proc/PID/status``.

    The owner of the folder will not do: it is root for a process that must not be dumped.

    >>> parse_uid(b"Name:\tx\nUid:\t1000\t1001\t1000\t1000\n")
    1001
    """
    _, found, rest = status.partition(b"\nUid:")
    fields = rest.split(maxsplit=2) if found else []
    return int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else None


def parse_uids(status: bytes) -> frozenset[int]:
    r"""All users of a process: real, effective, saved, and the file system's; none if it is gone.

    >>> sorted(parse_uids(b"Name:\tx\nUid:\t1000\t0\t0\t1000\nGid:\t1000\n"))
    [0, 1000]
    """
    _, found, rest = status.partition(b"\nUid:")
    fields = rest.partition(b"\n")[0].split() if found else []
    return frozenset(int(field) for field in fields if field.isdigit())


def parse_cgroup(text: bytes) -> str:
    r"""The control group out of ``/proc/PID/cgroup``: version 2's, where it has none systemd's.

    >>> parse_cgroup(b"0::/system.slice/web.service\n")
    '/system.slice/web.service'
    >>> parse_cgroup(b"3:cpu:/x\n1:name=systemd:/user.slice\n0::/\n")
    '/user.slice'
    """
    paths = _cgroups(text)
    unified, systemd = paths.get("", ""), paths.get("name=systemd", "")
    return systemd if systemd and unified in ("", "/") else unified


def unified_cgroup(text: bytes) -> str | None:
    """The control group of version 2 alone; None on a machine that has only version 1."""
    return _cgroups(text).get("")


def _cgroups(text: bytes) -> dict[str, str]:
    """Path by controller; version 2 has no controller's name."""
    paths = {}
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        _, _, rest = line.partition(":")
        controller, _, path = rest.partition(":")
        paths[controller] = path
    return paths


def unit_of(cgroup: str) -> str:
    """The systemd unit whose cgroup this is or lies in, the innermost; "" where there is none.

    >>> unit_of("/user.slice/user-1000.slice/user@1000.service/app.slice/game.scope/x")
    'game.scope'
    >>> unit_of("/user.slice")
    ''
    """
    for part in reversed(cgroup.split("/")):
        if part.endswith((".service", ".scope", ".socket", ".mount", ".swap")):
            return part
    return ""


def parse_command_line(arguments: bytes) -> str:
    r"""``/proc/PID/cmdline`` as one line, arguments divided by spaces.

    >>> parse_command_line(b"python3\0-m\0http.server\0")
    'python3 -m http.server'
    """
    return arguments.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
