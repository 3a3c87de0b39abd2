"""A job held without control groups: by the masks of its threads, paused by SIGSTOP."""

from collections.abc import Collection, Iterable
from pathlib import Path

from platforms.linux.confinement.job_group import Family
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.process_start import read_life, threads_of
from platforms.linux.knobs.system_calls import SchedulerCalls
from platforms.linux.managed import ProcessKey

_MOST_LOOKS = 20


class ByThreads:
    """Masks and signals for the job whose process is `key`."""

    def __init__(
        self, root: Path, key: ProcessKey, writer: KnobWriter, calls: SchedulerCalls
    ) -> None:
        self._root = root
        self._key = key
        self._writer = writer
        self._calls = calls
        self._stopped: list[ProcessKey] = []
        self.placed = False

    def place(self, processes: Iterable[ProcessKey], cores: Collection[int]) -> tuple[str, ...]:
        """Let all threads of these processes run on these cores only; what was refused."""
        wanted = frozenset(cores)
        tids = [tid for key in processes for tid in threads_of(self._root, key.pid)]
        astray = [tid for tid in tids if self._is_astray(tid, wanted)]
        if not astray:
            return ()
        self.placed = True
        refused = self._writer.place(self._key, astray, wanted).refused
        if not refused:
            return ()
        listed = ", ".join(map(str, sorted(wanted)))
        return (f"{refused} threads of process {self._key.pid} may not run on core {listed}",)

    def stop(self, family: Family) -> tuple[str, ...]:
        """Stop all its processes, also those born meanwhile; what could not be stopped.

        The job's own process comes first, that it starts no more.
        """
        problems: list[str] = []
        tried: set[ProcessKey] = set()
        for _ in range(_MOST_LOOKS):
            self._stopped = [key for key in self._stopped if self._is_same(key)]
            new = [key for key in family([k.pid for k in self._stopped]) if key not in tried]
            if not new:
                break
            tried.update(new)
            for key in new:
                problem = self._writer.stops.stop(key)
                if problem is not None:
                    problems.append(problem)
                elif key not in self._stopped:
                    self._stopped.append(key)
        return tuple(problems)

    def go_on(self) -> tuple[str, ...]:
        """Let those go on that were stopped, the last one first; what could not."""
        problems = [self._writer.stops.go_on(key) for key in reversed(self._stopped)]
        self._stopped.clear()
        return tuple(problem for problem in problems if problem is not None)

    def _is_same(self, key: ProcessKey) -> bool:
        """Whether a process runs still: another one may have got its number."""
        life = read_life(self._root, key.pid)
        return life is not None and life.start_ticks == key.start_ticks

    def _is_astray(self, tid: int, cores: frozenset[int]) -> bool:
        try:
            return frozenset(self._calls.get_affinity(tid)) != cores
        except OSError:  # it ended
            return False
