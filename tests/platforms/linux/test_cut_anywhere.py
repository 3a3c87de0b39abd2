"""Property: whatever ilgov does, cut off at any instant, the undo on disk leads back.

The instants are those between two system calls that change anything: writing to the journal, also
half of it, waiting for the disk, cutting or replacing it, writing a knob, moving a thread.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.linux.clocks.actuators import Actuator, Cap, SetSpeed
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.system_calls import RecordedCalls, calls_for
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.writing import key_of, no_pause, open_journal, restored

PINNED, PLAIN = 100, 200
"""A process whose user has chosen its cores, and one that has threads and children come and go."""


class Cut(BaseException):
    """The process is gone from here on."""


class Scissors:
    """Lets so many changes pass, then cuts within the next one."""

    def __init__(self, changes: int) -> None:
        self.left = changes

    def around(self, change: Callable[..., Any], *, halve: bool = False) -> Callable[..., Any]:
        """Return the same change, counted; the one that is cut is done in half or not at all."""

        def counted(*args: Any) -> Any:
            if self.left == 0:
                if halve:
                    change(args[0], args[1][: len(args[1]) // 2], *args[2:])
                raise Cut
            self.left -= 1
            return change(*args)

        return counted

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within, changes are counted."""
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "write", self.around(os.write, halve=True))
            patched.setattr(os, "pwrite", self.around(os.pwrite))
            patched.setattr(os, "ftruncate", self.around(os.ftruncate))
            patched.setattr(os, "fdatasync", self.around(lambda _: None))
            patched.setattr(os, "fsync", self.around(lambda _: None))
            moves = self.around(RecordedCalls.set_affinity)
            patched.setattr(RecordedCalls, "set_affinity", moves)
            rename = Path.rename
            patched.setattr(Path, "rename", self.around(rename))
            yield


class Run:
    """A daemon that does what it is told, until it is cut off."""

    def __init__(self, root: FakeRoot, kinds: tuple[str, str]) -> None:
        self.root = root
        self.journal = open_journal(root)
        self.writer = KnobWriter(root.path, self.journal, calls_for(root.path), pause=no_pause)
        self.actuators: list[Actuator] = [
            Cap(domain) if kind == "cap" else SetSpeed(domain)
            for kind, domain in zip(kinds, find_domains(root.path), strict=True)
        ]

    def do(self, step: tuple[str, int, int]) -> None:
        """Carry out one step."""
        what, first, second = step
        if what == "take":
            for actuator in self.actuators:
                actuator.take(self.writer)
        elif what == "set":
            actuator = self.actuators[first % 2]
            actuator.set(self.writer, actuator.domain.freqs_hz[second % 7])
        elif what == "place":
            pid = (PINNED, PLAIN)[first % 2]
            tids = [thread.tid for thread in self.root.processes[pid].threads]
            self.writer.place(key_of(self.root, pid), tids, {second % 8})
        elif what == "let-go":
            self.writer.restore_process(key_of(self.root, (PINNED, PLAIN)[first % 2]))
        elif what == "restore":
            self.writer.restore_all()
            for actuator in self.actuators:
                actuator.forget()
        elif what == "compact":
            self.journal.compact(lambda tid, start: True)


def happen(root: FakeRoot, step: tuple[str, int, int]) -> None:
    """Let something happen on the machine, uncut."""
    what = step[0]
    threads = root.processes[PLAIN].threads
    if what == "thread" and len(threads) < 10:
        root.add_thread(PLAIN, threads[-1].tid + 1)
    elif what == "thread-ends" and len(threads) > 1:
        root.remove_thread(PLAIN, threads[-1].tid)
    elif what == "kernel":
        root.settle()


ACTIONS = ("take", "set", "place", "let-go", "restore", "compact")
EVENTS = ("thread", "thread-ends", "kernel")
LOOKED_AT = ("sys/devices/system/cpu/cpufreq", "ilgov-affinity")
STEPS = st.tuples(
    st.sampled_from([*ACTIONS, "set", "place", *EVENTS]),
    st.integers(0, 7),
    st.integers(0, 7),
)
KINDS = st.tuples(st.sampled_from(["speed", "cap"]), st.sampled_from(["speed", "cap"]))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> FakeRoot:
    """One root for all examples: each leaves it as it was."""
    root = FakeRoot(tmp_path_factory.mktemp("root"))
    root.write("/sys/devices/system/cpu/cpufreq/policy0/scaling_min_freq", "1018000")
    root.add_process(PINNED, threads=2)
    calls_for(root.path).set_affinity(PINNED + 1, {2, 3})
    root.add_process(PLAIN, threads=2)
    return root


def run_and_cut(
    root: FakeRoot, kinds: tuple[str, str], steps: list[tuple[str, int, int]], scissors: Scissors
) -> None:
    """Start, take the knobs, do the steps; at the cut the process is gone, and its lock with it."""
    run: Run | None = None
    try:
        with scissors.watching():
            run = Run(root, kinds)
            run.do(("take", 0, 0))
        for step in steps:
            happen(root, step)
            with scissors.watching():
                run.do(step)
    except Cut:
        pass
    if run is not None:
        run.journal.close()
        run.writer.close()


@settings(max_examples=300)
@given(kinds=KINDS, steps=st.lists(STEPS, max_size=12), changes=st.integers(0, 80))
def test_cut_at_any_instant_everything_can_be_restored(
    root: FakeRoot, kinds: tuple[str, str], steps: list[tuple[str, int, int]], changes: int
) -> None:
    """Every knob and every thread's cores read as before, and no journal is left."""
    before = root.snapshot(LOOKED_AT)
    run_and_cut(root, kinds, steps, Scissors(changes))
    assert () == restored(root).problems
    assert before == root.snapshot(LOOKED_AT)


@settings(max_examples=150)
@given(
    kinds=KINDS,
    steps=st.lists(STEPS, max_size=8),
    changes=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 12), max_size=3),
)
def test_so_can_a_restore_that_is_cut_itself(
    root: FakeRoot,
    kinds: tuple[str, str],
    steps: list[tuple[str, int, int]],
    changes: int,
    cuts: list[int],
) -> None:
    """Killed while it restores, and the next as well: the one that is left alone does it."""
    before = root.snapshot(LOOKED_AT)
    run_and_cut(root, kinds, steps, Scissors(changes))
    for cut in cuts:
        scissors = Scissors(cut)
        try:
            with scissors.watching():
                restored(root)
        except Cut:
            pass
    assert () == restored(root).problems
    assert before == root.snapshot(LOOKED_AT)
