"""Property: whatever confinement does, cut off at any instant, the undo on disk leads back.

As `test_cut_anywhere`, with control groups, stopped processes and jobs that fork meanwhile.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.linux.confinement.confinement import Confinement, Kind
from platforms.linux.knobs.group_calls import GROUPS, RecordedGroups
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.stop_calls import RecordedStops
from platforms.linux.knobs.system_calls import calls_for
from platforms.platform import TrainingGrant
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.test_cut_anywhere import Cut, Scissors
from tests.platforms.linux.writing import key_of, no_pause, open_journal, restored

FIRST, SECOND = 100, 200
SERVICE = "/system.slice/train.service"
LOOKED_AT = ("sys/fs/cgroup", "ilgov-affinity", "ilgov-stopped")
Step = tuple[str, int, int]


@contextmanager
def watching(scissors: Scissors) -> Iterator[None]:
    """Within, every change that confinement can make is counted, and cut at its turn."""
    changes: list[tuple[type, str]] = [
        *((RecordedGroups, name) for name in ("make", "remove", "move", "control", "freeze")),
        *((RecordedStops, name) for name in ("stop", "go_on")),
    ]
    with scissors.watching(), pytest.MonkeyPatch.context() as patched:
        for owner, name in changes:
            patched.setattr(owner, name, _counted(scissors, getattr(owner, name)))
        yield


def _counted(scissors: Scissors, change: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*args: Any, **keywords: Any) -> Any:
        return scissors.around(lambda *_: change(*args, **keywords))()

    return counted


class Run:
    """A daemon that does what it is told, until it is cut off."""

    def __init__(self, root: FakeRoot, kind: Kind) -> None:
        self.root = root
        self.journal = open_journal(root)
        calls = calls_for(root.path)
        self.writer = KnobWriter(root.path, self.journal, calls, pause=no_pause)
        self.confinement = Confinement(root.path, self.writer, calls, kind=kind)

    def do(self, step: Step) -> None:
        """Carry out one step."""
        what, first, second = step
        job, pid = (1, FIRST) if first % 2 else (2, SECOND)
        key = key_of(self.root, pid)
        if what == "confine":
            cpu_max, memory = (None, 0.5)[second % 2], (None, 2**28)[second // 2 % 2]
            given = TrainingGrant(job, 0, (second % 8,), cpu_max=cpu_max)
            self.confinement.confine(job, key, given, memory)
        elif what == "pause":
            self.confinement.pause(job, key)
        elif what == "release":
            self.confinement.release(job)
        elif what == "hold":
            self.confinement.hold()
        elif what == "restore":
            self.writer.restore_all()
            self.confinement.forget()
        elif what == "compact":
            self.journal.compact(lambda tid, start: True)


def happen(root: FakeRoot, step: Step) -> None:
    """A job forks, and the child ends: uncut."""
    processes = root.processes
    if step[0] == "fork" and 150 not in processes:
        cgroup = RecordedGroups(root.path).group_of(FIRST) or GROUPS
        root.add_process(150, ppid=FIRST, cgroup=cgroup.removeprefix(GROUPS) or "/")
    elif step[0] == "exit":
        end_child(root)


def end_child(root: FakeRoot) -> None:
    """The child is gone, from whatever group it was in."""
    if 150 in root.processes:
        cgroup = RecordedGroups(root.path).group_of(150) or GROUPS
        root.processes[150].cgroup = cgroup.removeprefix(GROUPS) or "/"
        root.remove_process(150)
        (root.path / "ilgov-stopped/150").unlink(missing_ok=True)


STEPS = st.tuples(
    st.sampled_from(
        ["confine", "confine", "pause", "release", "hold", "restore", "compact", "fork", "exit"]
    ),
    st.integers(0, 1),
    st.integers(0, 7),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> FakeRoot:
    """One root for all examples: each leaves it as it was."""
    root = FakeRoot(tmp_path_factory.mktemp("root"))
    root.add_process(FIRST, threads=2, cgroup=SERVICE)
    root.add_process(SECOND, cgroup="/")
    calls_for(root.path).set_affinity(FIRST + 1, {2, 3})
    for controller in ("cpuset", "cpu", "memory"):
        RecordedGroups(root.path).control(GROUPS, f"-{controller}")
    return root


def state(root: FakeRoot) -> dict[str, str]:
    """All that may change, and who is in which group."""
    files = root.snapshot(LOOKED_AT)
    for path in [path for path in files if path.endswith("cgroup.procs")]:
        files[path] = " ".join(sorted(files[path].split()))
    groups = {str(pid): (root.path / f"proc/{pid}/cgroup").read_text() for pid in (FIRST, SECOND)}
    return {**files, **groups}


def run_and_cut(root: FakeRoot, kind: Kind, steps: list[Step], scissors: Scissors) -> None:
    """Do the steps; at the cut the process is gone, and its lock with it."""
    run: Run | None = None
    try:
        with watching(scissors):
            run = Run(root, kind)
        for step in steps:
            happen(root, step)
            with watching(scissors):
                run.do(step)
    except Cut:
        pass
    if run is not None:
        run.journal.close()
        run.writer.close()


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["cgroup", "affinity"]),
    steps=st.lists(STEPS, max_size=8),
    changes=st.integers(0, 60),
    cuts=st.lists(st.integers(0, 12), max_size=2),
)
def test_cut_at_any_instant_jobs_can_be_put_back(
    root: FakeRoot, kind: Kind, steps: list[Step], changes: int, cuts: list[int]
) -> None:
    """Groups, cores and running, also where restoring is cut off itself."""
    before = state(root)
    run_and_cut(root, kind, steps, Scissors(changes))
    for cut in cuts:
        try:
            with watching(Scissors(cut)):
                restored(root)
        except Cut:
            pass
    assert () == restored(root).problems
    end_child(root)
    assert before == state(root)


def test_the_cuts_are_between_all_changes(root: FakeRoot) -> None:
    """So that the property above looks at every one of them."""
    scissors = Scissors(1000)
    run_and_cut(root, "cgroup", [("confine", 1, 3), ("pause", 1, 0)], scissors)
    restored(root)
    assert 1000 - scissors.left > 15
