"""The undo, on disk before the first write: old values as lines of JSON, one file.

What was journaled once is never overwritten, so the first old value, the true one, is what counts.
Entries hold for one boot: after the next one the kernel's knobs are fresh. A lock on the file keeps
a second ilgov away.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Mapping, Set
from pathlib import Path

from platforms.linux.errors import JournalUnusable
from platforms.linux.files.kernel_file import KernelFile
from platforms.linux.knobs.journal_entries import (
    Contents,
    Continued,
    GroupRemoved,
    Header,
    Released,
    ThreadMask,
    Undo,
    controller_line,
    file_lines,
    group_line,
    line_of,
    mask_lines,
    members_line,
    placed_line,
    stopped_line,
)
from platforms.linux.knobs.journal_file import (
    OPEN,
    READ,
    make_folder,
    not_opened,
    not_stored,
    open_locked,
    read_for_boot,
    write_all,
)
from platforms.linux.knobs.journal_trust import check_folder
from platforms.linux.managed import ProcessKey

JOURNAL_NAME = "undo.jsonl"
"""The journal's file in the state folder."""

_COMPACT_FROM_BYTES = 256 * 1024


def read_boot_id(root: Path) -> str:
    """Return what tells this boot from all others; raises Unreadable."""
    file = KernelFile(root / "proc/sys/kernel/random/boot_id")
    try:
        return file.read_text()
    finally:
        file.close()


def read_journal(path: Path, *, boot_id: str) -> Undo:
    """Return what a journal would undo now, changing nothing; empty if there is none.

    Raises JournalUnusable.
    """
    try:
        descriptor = os.open(path, READ)
    except FileNotFoundError:
        return Undo()
    except OSError as error:
        raise not_opened(path, error) from error
    try:
        return read_for_boot(path, descriptor, boot_id).undo
    finally:
        os.close(descriptor)


class Journal:
    """The open journal. Open it with `open`; every method raises JournalUnusable."""

    def __init__(self, path: Path, descriptor: int, contents: Contents, boot_id: str) -> None:
        self.path = path
        self.damaged_lines = contents.damaged_lines
        self._descriptor = descriptor
        self._undo = contents.undo
        self._boot_id = boot_id
        self._size_bytes = contents.good_bytes
        self._compacted_bytes = 0

    @classmethod
    def open(
        cls, path: Path, *, boot_id: str, strict: bool = True, create: bool = True
    ) -> "Journal":
        """Open the journal, with what an earlier run of this boot left in it.

        The folder is made (mode 0700) if it is missing. `strict`: refuse a folder that others may
        write to. `create`: False is for who only undoes; it needs no room on the disk, not even one
        that can be written to, and raises FileNotFoundError if there is no journal.
        """
        if create:
            make_folder(path.parent)
        elif not path.is_symlink() and not path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if strict:
            check_folder(path.parent)
        descriptor = open_locked(path, create=create)
        try:
            journal = cls(path, descriptor, read_for_boot(path, descriptor, boot_id), boot_id)
            if create:
                journal._start()
        except BaseException:
            os.close(descriptor)
            raise
        return journal

    @property
    def files(self) -> Mapping[str, str]:
        """The first old content of each file, by path."""
        return self._undo.files

    @property
    def masks(self) -> Mapping[ProcessKey, Mapping[int, ThreadMask]]:
        """The first old cores of each thread, by managed process and tid."""
        return self._undo.masks

    def remember_files(self, old: Mapping[str, str]) -> None:
        """Store files' old contents, by path; those known already stay as they are."""
        new = {path: text for path, text in old.items() if path not in self._undo.files}
        if new:
            self._append(file_lines(new))
            self._undo.files.update(new)

    @property
    def placed(self) -> Mapping[ProcessKey, Set[frozenset[int]]]:
        """The cores that ilgov has put each process on."""
        return self._undo.placed

    def undo(self) -> Undo:
        """Return a copy of all of it."""
        return self._undo.copy()

    def remember_masks(self, key: ProcessKey, old: Mapping[int, ThreadMask]) -> None:
        """Store the old cores of a process's threads; those known already stay as they are."""
        self.remember_all_masks({key: old})

    def remember_all_masks(self, old: Mapping[ProcessKey, Mapping[int, ThreadMask]]) -> None:
        """Store the old cores of many processes' threads with one wait for the disk."""
        new = {key: self._unknown(key, masks) for key, masks in old.items()}
        lines = [mask_lines(key, masks) for key, masks in new.items() if masks]
        if lines:
            self._append(b"".join(lines))
        for key, masks in new.items():
            if masks:
                self._undo.masks.setdefault(key, {}).update(masks)

    def remember_placed(self, key: ProcessKey, cores: frozenset[int]) -> None:
        """Store that a process is about to be put on these cores.

        The disk is not waited for: only a killed process is undone by this, not a boot.
        """
        if cores not in self._undo.placed.get(key, ()):
            self._append(placed_line(key, cores), sync=False)
            self._undo.placed.setdefault(key, set()).add(cores)

    @property
    def groups(self) -> Mapping[str, Mapping[ProcessKey, str]]:
        """The control groups that ilgov has made, and where their processes were, by process."""
        return self._undo.groups

    @property
    def stopped(self) -> Set[ProcessKey]:
        """The processes that ilgov has stopped."""
        return self._undo.stopped

    def remember_group(self, path: str) -> None:
        """Store that a control group is about to be made."""
        if path not in self._undo.groups:
            self._append(group_line(path))
            self._undo.groups[path] = {}

    def remember_controller(self, path: str, name: str) -> None:
        """Store that a controller is about to be switched on for the groups in `path`."""
        if (path, name) not in self._undo.controllers:
            self._append(controller_line(path, name))
            self._undo.controllers.append((path, name))

    def remember_members(self, path: str, old: Mapping[ProcessKey, str]) -> None:
        """Store the old groups of processes that are about to be moved to the group `path`."""
        known = self._undo.groups.get(path, {})
        new = {key: group for key, group in old.items() if key not in known}
        if new:
            self._append(members_line(path, new))
            self._undo.groups.setdefault(path, {}).update(new)

    def remember_stopped(self, key: ProcessKey) -> None:
        """Store that a process is about to be stopped; as in `remember_placed` nothing waits."""
        if key not in self._undo.stopped:
            self._append(stopped_line(key), sync=False)
            self._undo.stopped.add(key)

    def forget_group(self, path: str) -> None:
        """Note that a control group is gone; as in `release` it need not reach the disk."""
        if self._undo.groups.pop(path, None) is not None:
            self._note(line_of(GroupRemoved(path=path)))

    def forget_stopped(self, key: ProcessKey) -> None:
        """Note that a process goes on; it need not reach the disk."""
        if key in self._undo.stopped:
            self._undo.stopped.discard(key)
            self._note(line_of(Continued(pid=key.pid, start_ticks=key.start_ticks)))

    def release(self, key: ProcessKey) -> None:
        """Note that a process's threads were given back.

        This need not reach the disk: undoing twice does no harm.
        """
        if self._undo.forget(key):
            self._note(line_of(Released(pid=key.pid, start_ticks=key.start_ticks)))

    def keep_only(self, undo: Undo) -> None:
        """Forget everything but `undo`: the rest was done."""
        if undo:
            self._replace(undo)
        else:
            self._undo = Undo()
            self._truncate(0)

    @property
    def has_grown(self) -> bool:
        """Whether `compact` is worth its writes."""
        return self._size_bytes > _COMPACT_FROM_BYTES + 4 * self._compacted_bytes

    def compact(self, is_alive: Callable[[int, int], bool]) -> None:
        """Drop threads that are gone; `is_alive` takes a tid and the thread's start.

        A full disk is no harm here: the journal stays as it is, and is tried again later.
        """
        kept = self._undo.copy()
        kept.masks, kept.placed = {}, {}
        for key, masks in self._undo.masks.items():
            alive = {t: mask for t, mask in masks.items() if is_alive(t, mask.thread_start)}
            if alive:
                kept.masks[key] = alive
                kept.placed[key] = set(self._undo.placed.get(key, ()))
        self._compacted_bytes = self._size_bytes
        try:
            self._replace(kept)
        except JournalUnusable:
            return

    def remove(self) -> None:
        """Delete the file and close it: there is nothing to undo any more."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close the file and give up the lock; what is in it stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _unknown(self, key: ProcessKey, masks: Mapping[int, ThreadMask]) -> dict[int, ThreadMask]:
        known = self._undo.masks.get(key, {})
        return {tid: mask for tid, mask in masks.items() if tid not in known}

    def _note(self, line: bytes) -> None:
        """Add a line that something is done; without it it is undone once more, to no harm."""
        try:
            self._append(line, sync=False)
        except JournalUnusable:
            return

    def _start(self) -> None:
        """Cut off a torn last line, and say who writes from here on; fails on a full disk."""
        self._truncate(self._size_bytes)
        self._append(b"", header=True)

    def _append(self, lines: bytes, *, sync: bool = True, header: bool = False) -> None:
        """Add lines; on any failure the file is as it was."""
        if header or self._size_bytes == 0:
            lines = line_of(Header(boot_id=self._boot_id, pid=os.getpid())) + lines
        try:
            write_all(self._descriptor, lines)
            if sync:
                os.fdatasync(self._descriptor)
        except OSError as error:
            self._truncate(self._size_bytes)
            raise not_stored(self.path, error) from error
        self._size_bytes += len(lines)

    def _truncate(self, size_bytes: int) -> None:
        """Cut the file; where that fails nothing may follow any more: half a line stays."""
        try:
            os.ftruncate(self._descriptor, size_bytes)
        except OSError as error:
            self.close()
            raise not_stored(self.path, error) from error
        self._size_bytes = size_bytes

    def _replace(self, undo: Undo) -> None:
        """Write `undo` to a new file and put it in the old one's place, whole or not at all."""
        new = self.path.with_name(f".{self.path.name}.new")
        lines = line_of(Header(boot_id=self._boot_id, pid=os.getpid())) + undo.lines()
        try:
            new.unlink(missing_ok=True)
            descriptor = os.open(new, OPEN | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise not_stored(new, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            write_all(descriptor, lines)
            os.fsync(descriptor)
            new.rename(self.path)
        except OSError as error:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise not_stored(new, error) from error
        os.close(self._descriptor)
        self._descriptor, self._undo = descriptor, undo
        self._size_bytes = self._compacted_bytes = len(lines)
