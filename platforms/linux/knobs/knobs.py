"""The only writer: nothing of ilgov changes the machine but through `KnobWriter`.

Old value onto the disk, write, read back. Reading the files of this folder's other modules tells
how; `platforms.linux.knobs.restore` undoes what a run that ended badly has left.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from platforms.linux.errors import JournalUnusable
from platforms.linux.knobs.file_undo import undo_files
from platforms.linux.knobs.group_calls import GroupCalls, groups_for
from platforms.linux.knobs.group_writer import GroupWriter
from platforms.linux.knobs.journal import Journal
from platforms.linux.knobs.journal_entries import ThreadMask, Undo
from platforms.linux.knobs.knob_file import KnobFile
from platforms.linux.knobs.process_start import threads_of
from platforms.linux.knobs.restore_report import RestoreReport
from platforms.linux.knobs.stop_calls import StopCalls, stops_for
from platforms.linux.knobs.stop_writer import StopWriter
from platforms.linux.knobs.system_calls import SchedulerCalls
from platforms.linux.knobs.thread_masks import Placed, ThreadMasks, inherited_mask
from platforms.linux.managed import ProcessKey

__all__ = ["KnobWriter", "Placed", "RestoreReport"]

_KEPT_WOULD_WRITE = 1000


class KnobWriter:
    """Writes to the machine under `root`, each old value journaled first.

    `dry_run`: nothing is journaled or written; the last 1000 writes that would have been are in
    `would_write`, their number in `would_write_count`; `journal` may then be None. Methods raise
    JournalUnusable, before anything is written, where the undo cannot be stored, and WriteRefused
    where the kernel does not take a value. `groups` makes control groups, `stops` stops processes.
    """

    def __init__(
        self,
        root: Path,
        journal: Journal | None,
        calls: SchedulerCalls,
        *,
        dry_run: bool = False,
        pause: Callable[[float], None] = time.sleep,
        groups: GroupCalls | None = None,
        stops: StopCalls | None = None,
    ) -> None:
        if journal is None and not dry_run:
            message = "journal must be given where the machine is written to (got None)"
            raise ValueError(message)
        self.dry_run = dry_run
        self.would_write: deque[tuple[str, str]] = deque(maxlen=_KEPT_WOULD_WRITE)
        self.would_write_count = 0
        self._root = root
        self._journal = journal
        self._pause = pause
        self._threads = ThreadMasks(root, calls)
        self._knobs: dict[str, KnobFile] = {}
        used = None if dry_run else journal
        self.groups = GroupWriter(root, used, groups or groups_for(root), self._would, pause=pause)
        self.stops = StopWriter(used, stops or stops_for(root), self._would)

    def write(self, path: str, value: str) -> str:
        """Write a knob ("/sys/...") and return what it reads then, without its line break.

        A limit of cpufreq is applied by the kernel a moment later: it may still read the old one.
        """
        if self.dry_run or self._journal is None:
            self._would(path, value)
            return value
        knob = self._knob(path)
        if knob.path not in self._journal.files:
            self.remember((path,))
        knob.write(value)
        return knob.read()

    def remember(self, paths: Iterable[str]) -> None:
        """Journal the present contents of knobs, all with one wait for the disk; write later."""
        if self._journal is not None and not self.dry_run:
            known = self._journal.files
            new = [knob for knob in map(self._knob, paths) if knob.path not in known]
            self._journal.remember_files({knob.path: knob.read() for knob in new})

    def old(self, path: str) -> str | None:
        """Return what a knob read before it was first written to; None if it was not."""
        return None if self._journal is None else self._journal.files.get(self._knob(path).path)

    def restore_files(self, paths: Iterable[str]) -> RestoreReport:
        """Put knobs back as they were; they stay in the journal, which does no harm."""
        if self._journal is None:
            return RestoreReport()
        files = self._journal.files
        old = {path: files[path] for path in self._real(paths) if path in files}
        restored, problems, gone = undo_files(old, self._knob, pause=self._pause)
        return RestoreReport(len(restored), tuple(problems.values()), len(gone))

    def place(self, key: ProcessKey, tids: Iterable[int], cores: Iterable[int]) -> Placed:
        """Let threads of a process, or of its descendants, run on these cores only.

        All their old cores are journaled at once before the first is moved. Threads that are gone
        are counted as vanished; those that the kernel does not move (their cpuset has none of the
        cores, the core was unplugged) as refused.
        """
        wanted, numbers = frozenset(cores), list(tids)
        if self.dry_run or self._journal is None:
            self._would(f"process {key.pid}", ",".join(map(str, sorted(wanted))))
            return Placed(len(numbers), 0, 0)
        if self._threads.is_another(key):
            return Placed(0, len(numbers), 0)
        self._journal.remember_masks(key, self._new_masks(self._journal, key, numbers))
        self._journal.remember_placed(key, wanted)
        if self._journal.has_grown:
            self._journal.compact(self._threads.is_alive)
        known = self._journal.masks.get(key, {})
        alive = [tid for tid in numbers if tid in known]
        placed = self._threads.set(alive, wanted)
        return Placed(placed.moved, placed.vanished + len(numbers) - len(alive), placed.refused)

    def remember_processes(self, tids: Mapping[ProcessKey, Iterable[int]]) -> None:
        """Journal the cores of many processes' threads, all with one wait for the disk.

        Before a group of them is placed. Where the disk is slow, one wait each would add up.
        """
        journal = self._journal
        if journal is not None and not self.dry_run:
            masks = {key: self._new_masks(journal, key, some) for key, some in tids.items()}
            journal.remember_all_masks(masks)

    def move(self, key: ProcessKey, members: Iterable[ProcessKey], group: str) -> tuple[str, ...]:
        """Let processes, `key` or descendants of its, belong to a control group that was made.

        Their groups and their threads' cores are journaled before; who is gone is passed over. What
        the kernel does not move is said in words.
        """
        moving = tuple(members)
        if self._journal is not None and not self.dry_run:
            tids = [tid for member in moving for tid in threads_of(self._root, member.pid)]
            self._journal.remember_masks(key, self._new_masks(self._journal, key, tids))
            # Kernels before 6.2 forget a thread's own choice of cores when it is moved.
            self._journal.remember_placed(key, self._threads.possible())
        return self.groups.move(moving, group)

    def restore_process(self, key: ProcessKey) -> RestoreReport:
        """Give a process's threads, and its descendants', their old cores back; it is let go."""
        if self._journal is None or key not in self._journal.masks:
            return RestoreReport()
        report = self._undo(self._journal.undo().only(key))
        if not report.problems:
            self._journal.release(key)
        return report

    def restore_all(self) -> RestoreReport:
        """Put everything back as it was; what failed stays in the journal, to be tried again."""
        if self._journal is None:
            return RestoreReport()
        left = Undo()
        report = self._undo(self._journal.undo(), left)
        try:
            self._journal.keep_only(left)
        except JournalUnusable as error:
            return RestoreReport(report.restored, (*report.problems, str(error)), report.gone)
        return report

    def close(self) -> None:
        """Close all files; nothing is restored."""
        for knob in self._knobs.values():
            knob.close()
        self._knobs.clear()
        self._threads.close()

    def _undo(self, undo: Undo, left: Undo | None = None) -> RestoreReport:
        """Write old values; what failed is added to `left`."""
        restored, problems, gone = undo_files(undo.files, self._knob, pause=self._pause)
        groups = self.groups.undo(undo, left)
        threads = self._threads.undo(undo.masks, undo.placed)
        stops = self.stops.undo(undo, left)
        if left is not None:
            left.files.update({path: undo.files[path] for path in problems})
            left.masks.update({key: undo.masks[key] for key in threads.problems})
            left.placed.update({key: undo.placed.get(key, set()) for key in threads.problems})
        return RestoreReport(
            len(restored) + groups.restored + threads.restored + stops.restored,
            (
                *problems.values(),
                *groups.problems,
                *threads.problems.values(),
                *stops.problems,
            ),
            len(gone) + groups.gone + threads.gone + stops.gone,
        )

    def _new_masks(
        self, journal: Journal, key: ProcessKey, tids: Iterable[int]
    ) -> dict[int, ThreadMask]:
        """Return the old cores of threads that are not in the journal.

        At a process's first move all threads of its family are, whether they are moved or not: one
        that is not in the journal was born later. Who was born since the process, or one that it
        descends from, was first moved has inherited cores that ilgov chose, unless it is found on
        others.
        """
        known = journal.masks.get(key)
        if known is None:
            tids = {*tids, *self._threads.of_family(key.pid)}
        found = self._threads.read_old(key, [tid for tid in tids if tid not in (known or ())])
        origin = self._moved_origin(key)
        if origin is not None:
            cores = inherited_mask(journal.masks[origin], key.pid, origin.pid)
            placed = journal.placed.get(origin, set())
            for tid, mask in found.items():
                if self._threads.is_on(tid, placed):
                    found[tid] = ThreadMask(mask.thread_start, cores)
        return found

    def _moved_origin(self, key: ProcessKey) -> ProcessKey | None:
        """Return the process itself if it was moved before, else its nearest ancestor that was."""
        moved = {} if self._journal is None else self._journal.masks
        if not moved or key in moved:
            return key if key in moved else None
        by_pid = {other.pid: other for other in moved}
        pids = self._threads.ancestors(key.pid)
        return next((by_pid[pid] for pid in pids if pid in by_pid), None)

    def _real(self, paths: Iterable[str]) -> list[str]:
        return [self._knob(path).path for path in paths]

    def _knob(self, path: str) -> KnobFile:
        knob = self._knobs.get(path)
        if knob is None:
            knob = self._knobs[path] = KnobFile(self._root, path)
        return knob

    def _would(self, what: str, value: str) -> None:
        self.would_write.append((what, value))
        self.would_write_count += 1
