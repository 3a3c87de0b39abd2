"""Where the daemon writes: the state folder with the undo journal, and the socket."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from platforms.linux.errors import JournalUnusable
from platforms.linux.files.maybe_file import is_there, text_at
from platforms.linux.knobs.journal import JOURNAL_NAME
from platforms.linux.knobs.journal_trust import check_folder
from rm.daemon.configuration.settings import LONGEST_SOCKET_PATH
from rm.daemon.configuration.trusted_file import untrusted
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.subject import Machine

LEAST_FREE_BYTES = 8 << 20
_BOOT_ID = "proc/sys/kernel/random/boot_id"


def examine_places(machine: Machine) -> Iterator[Finding]:
    """The state folder, what an earlier run left there, the socket's folder, the boot's number."""
    state_dir = machine.at(machine.settings.state_dir)
    no_journal = "without a journal nothing is written to the machine"
    yield _folder(machine, "state folder", state_dir, without=no_journal)
    left = state_dir / JOURNAL_NAME
    if is_there(left):
        means = "a daemon runs now, or one ended without giving its knobs back"
        way_out = "'ilgov restore' undoes it; the next start does, too"
        yield degraded("undo journal", f"{left} is there", means, way_out)
    yield _socket(machine)
    if not text_at(machine.root / _BOOT_ID):
        yield missing(
            "boot id",
            f"{machine.root / _BOOT_ID} cannot be read",
            "a journal could not be told from one of an earlier boot",
            "mount /proc",
        )


def _folder(machine: Machine, subject: str, folder: Path, *, without: str) -> Finding:
    """Whether files can be made in a folder, or the folder itself; `without` them, what then."""
    existing = next(part for part in (folder, *folder.parents) if is_there(part))
    if not existing.is_dir():
        return missing(
            subject, f"{existing} is no folder", "nothing can be written", "move it away"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        return missing(
            subject,
            f"{existing} cannot be written by user {os.geteuid()}",
            without,
            "run as root, or name another folder; a read-only file system must be remounted",
        )
    distrust = _distrust(folder) if machine.is_this else []
    if distrust:
        means = "root would do what others wrote there"
        return missing(subject, "; ".join(distrust), means, "give it to root alone")
    free = shutil.disk_usage(existing).free
    if free < LEAST_FREE_BYTES:
        means = "a full disk means no journal, and then nothing is written to the machine"
        return degraded(subject, f"{folder}, {free >> 20} MiB free", means, "make room")
    to_make = "" if existing == folder else ", to be made"
    return ok(subject, f"{folder}{to_make}, {free >> 20} MiB free")


def _distrust(folder: Path) -> list[str]:
    """What lets others than root or this user put files into a folder, even one still to make."""
    if is_there(folder):
        try:
            check_folder(folder)
        except JournalUnusable as error:
            return [str(error)]
    return list(untrusted(folder, owner=os.geteuid()))


def _socket(machine: Machine) -> Finding:
    path = machine.settings.socket
    length = len(os.fsencode(path))
    if length > LONGEST_SOCKET_PATH:
        return missing(
            "socket",
            f"{path} has {length} bytes",
            f"a socket's path has at most {LONGEST_SOCKET_PATH}",
            "name a shorter one",
        )
    there = machine.at(path)
    if is_there(there) and not there.is_socket():
        return missing("socket", f"{there} is another file", "it cannot be made", "remove it")
    folder = _folder(machine, "socket", there.parent, without="nobody can reach the daemon")
    return folder if folder.verdict == "missing" else ok("socket", str(there))
