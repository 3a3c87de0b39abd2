"""Tests of who sits where: all threads go, and stay; in the end every mask is as it was."""

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platforms.linux.knobs.system_calls import RecordedCalls
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.living_board import LivingBoard

ALL = frozenset(range(8))
BIG = frozenset({4, 5, 6, 7})
LITTLE = frozenset({0, 1, 2, 3})
GROUP = "/system.slice/video.service"
CPUSET = f"/sys/fs/cgroup{GROUP}/cpuset.cpus"


@pytest.fixture
def living(tmp_path: Path) -> Iterator[LivingBoard]:
    """A HiKey 970; nobody sits anywhere yet."""
    with LivingBoard(tmp_path) as made:
        yield made


@pytest.fixture
def grouped(tmp_path: Path) -> Iterator[LivingBoard]:
    """One where applications are placed by cpuset, with one that has a group to itself."""
    with LivingBoard(tmp_path, cpuset=True) as made:
        made.manage(100, threads=2, cgroup=GROUP)
        made.rescan()
        yield made


def seat(living: LivingBoard, pid: int, cores: Iterable[int]) -> tuple[bool, tuple[str, ...]]:
    """Move an application; whether it went, and what there was to tell."""
    process = next(process for process in living.managed if process.key.pid == pid)
    seated = living.seating.seat(process, cores, frozenset(living.root.online))
    return seated.moved, seated.problems


def hold(living: LivingBoard, **seen: tuple[int, ...]) -> None:
    """What happens once in a migration period; newcomers were seen on ``a1=(4,)``."""
    living.rescan()
    where = {int(name[1:]): cores for name, cores in seen.items()}
    living.seating.hold(living.managed, where, frozenset(living.root.online))


# --- moving and holding -------------------------------------------------------------------------


def test_all_threads_of_an_application_are_moved(living: LivingBoard) -> None:
    """Those of its children too, other processes are left alone."""
    living.manage(100, threads=3)
    living.root.add_process(200, ppid=100, threads=2)
    living.root.add_process(300)
    living.rescan()
    assert (True, ()) == seat(living, 100, BIG)
    assert {BIG} == {living.mask(tid) for tid in (100, 101, 102, 200, 201)}
    assert ALL == living.mask(300)


def test_what_is_where_it_belongs_is_not_written(living: LivingBoard) -> None:
    """Once in a migration period it is only looked at."""
    living.manage(100, threads=3)
    seat(living, 100, BIG)
    assert 3 == living.seating.writes
    for _ in range(3):
        hold(living)
    assert 3 == living.seating.writes


def test_many_newcomers_cost_one_wait_for_the_disk(
    living: LivingBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One each would add up to seconds on a slow disk, and no round may take that long."""
    pids = range(1000, 1100, 10)
    for pid in pids:
        living.manage(pid)
    waits: list[int] = []
    monkeypatch.setattr("os.fdatasync", waits.append)
    hold(living, **{f"a{process.id}": (5,) for process in living.managed})
    assert 1 == len(waits)
    assert ALL not in {living.mask(pid) for pid in pids}
    living.board.release()
    assert {ALL} == {living.mask(pid) for pid in pids}


def test_a_thread_that_moved_itself_is_fetched_back(living: LivingBoard) -> None:
    """A program may set its own masks at any time."""
    living.manage(100, threads=2)
    seat(living, 100, BIG)
    living.place(101, "1")
    hold(living)
    assert BIG == living.mask(101)
    assert 3 == living.seating.writes


def test_new_threads_and_children_that_sit_elsewhere_are_fetched(living: LivingBoard) -> None:
    """However they came to be there; in the end all have what the application had."""
    living.manage(100)
    before = living.masks()
    seat(living, 100, {5})
    living.root.add_thread(100, 101)
    living.root.add_process(200, ppid=100)
    living.place(101, "0-7")
    living.place(200, "2")
    hold(living)
    assert {frozenset({5})} == {living.mask(tid) for tid in (100, 101, 200)}
    living.board.release()
    assert ALL == living.mask(100)
    assert before.keys() <= living.masks().keys() <= {*before, "/ilgov-affinity/200"}


def test_new_threads_get_back_what_the_application_had(living: LivingBoard) -> None:
    """They have inherited what ilgov chose."""
    living.manage(100)
    living.place(100, "1-3")
    seat(living, 100, {5})
    living.root.add_thread(100, 101)
    living.root.add_process(200, ppid=100)
    hold(living)
    living.board.release()
    assert {frozenset({1, 2, 3})} == {living.mask(tid) for tid in (100, 101, 200)}


# --- newcomers and leavers ----------------------------------------------------------------------


def test_a_newcomer_is_held_where_it_was_seen(living: LivingBoard) -> None:
    """One that was not looked at yet is left alone."""
    living.manage(100)
    living.manage(101)
    hold(living, a1=(6,))
    assert ({6}, ALL) == (living.mask(100), living.mask(101))


def test_a_newcomer_on_somebodys_core_gets_a_free_one_beside_it(living: LivingBoard) -> None:
    """In the same cluster; where none is free it shares."""
    for pid in range(100, 106):
        living.manage(pid)
    hold(living, a1=(6,), a2=(6,), a3=(6,), a4=(6,), a5=(6,), a6=(2,))
    masks = [min(living.mask(pid)) for pid in range(100, 106)]
    assert BIG == set(masks[:4])
    assert [6, 6, 2] == [masks[0], masks[4], masks[5]]


def test_an_application_that_is_not_looked_after_any_more_gets_its_cores_back(
    living: LivingBoard,
) -> None:
    """At once, the others stay."""
    living.manage(100)
    living.manage(101)
    living.place(100, "0-5")
    hold(living, a1=(4,), a2=(5,))
    living.release(100)
    hold(living)
    assert (ALL - {6, 7}, {5}) == (living.mask(100), living.mask(101))


def test_who_gets_the_number_of_an_ended_application_is_left_alone(living: LivingBoard) -> None:
    """Another start, another process."""
    living.manage(100)
    hold(living, a1=(4,))
    living.die(100)
    living.root.add_process(100, start_ticks=7_000_000)
    living.place(100, "2")
    hold(living)
    living.release(100)
    hold(living)
    living.board.release()
    assert {2} == living.mask(100)


# --- cores that are unplugged -------------------------------------------------------------------


def test_an_unplugged_core_is_replaced_by_a_free_neighbour(living: LivingBoard) -> None:
    """Told once, and taken back when it is plugged again."""
    living.manage(100)
    living.manage(101)
    seat(living, 100, {4})
    seat(living, 101, {5})
    living.root.unplug(4)
    hold(living)
    assert {6} == living.mask(100)
    hold(living)
    assert {6} == living.mask(100)
    living.root.plug(4)
    hold(living)
    assert {4} == living.mask(100)


def test_a_move_to_an_unplugged_core_says_what_was_taken_instead(living: LivingBoard) -> None:
    """The policy does not know."""
    living.manage(100)
    living.root.unplug(4)
    moved, problems = seat(living, 100, {4})
    assert moved
    assert ("application 1: core 4 is offline, core 5 taken instead",) == problems


def test_several_threads_go_on_with_the_cores_that_are_left(living: LivingBoard) -> None:
    """Of the cores that they were given."""
    living.manage(100, threads=4)
    seat(living, 100, BIG)
    living.root.unplug(6)
    hold(living)
    assert BIG - {6} == living.mask(100)


def test_where_a_whole_cluster_is_unplugged_another_one_is_taken(living: LivingBoard) -> None:
    """Rather than none."""
    living.manage(100)
    for core in BIG:
        living.root.unplug(core)
    moved, _ = seat(living, 100, {4})
    assert moved
    assert living.mask(100) <= LITTLE


# --- control groups -----------------------------------------------------------------------------


def test_an_application_with_a_group_to_itself_is_placed_by_its_cpuset(
    grouped: LivingBoard,
) -> None:
    """The masks stay as they are."""
    before = grouped.root.read(CPUSET)
    assert (True, ()) == seat(grouped, 100, {6, 7})
    assert ("6-7", {}) == (grouped.root.read(CPUSET), grouped.masks())
    grouped.board.release()
    assert before == grouped.root.read(CPUSET)


def test_a_group_that_becomes_shared_is_given_back_and_masks_are_used(
    grouped: LivingBoard,
) -> None:
    """Somebody else must not be moved with it."""
    before = grouped.root.read(CPUSET)
    seat(grouped, 100, {6, 7})
    grouped.root.add_process(500, cgroup=GROUP)
    hold(grouped)
    assert before == grouped.root.read(CPUSET)
    assert {frozenset({6, 7})} == {grouped.mask(100), grouped.mask(101)}
    assert ALL == grouped.mask(500)
    grouped.board.release()
    assert {} == grouped.masks()


def test_a_group_of_an_application_that_is_not_looked_after_any_more_is_given_back(
    grouped: LivingBoard,
) -> None:
    """At once."""
    before = grouped.root.read(CPUSET)
    seat(grouped, 100, {6, 7})
    grouped.release(100)
    hold(grouped)
    assert before == grouped.root.read(CPUSET)


def test_where_the_cpuset_is_refused_masks_are_used(grouped: LivingBoard) -> None:
    """Both would not do: what the group had is not what its threads are to keep."""
    before = grouped.root.read(CPUSET)
    seat(grouped, 100, {6, 7})
    grouped.writer.close()
    with grouped.root.refusing(CPUSET):
        assert (True, ()) == seat(grouped, 100, {4, 5})
        assert {4, 5} == grouped.mask(100) == grouped.mask(101)
    grouped.board.release()
    assert (before, {}) == (grouped.root.read(CPUSET), grouped.masks())


# --- kernels that refuse ------------------------------------------------------------------------


class Refusing(RecordedCalls):
    """The kernel's calls; `refused` threads may not be moved."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.refused: set[int] = set()

    def set_affinity(self, tid: int, cores: Iterable[int]) -> None:
        """EINVAL for those that may not."""
        if tid in self.refused:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        super().set_affinity(tid, cores)


def test_threads_that_may_not_be_moved_are_tried_again(tmp_path: Path) -> None:
    """Their cpuset may grow; the others are moved at once."""
    root = FakeRoot(tmp_path / "root")
    calls = Refusing(root.path)
    with LivingBoard(tmp_path, root=root, calls=calls) as living:
        living.manage(100, threads=2)
        calls.refused = {101}
        moved, problems = seat(living, 100, BIG)
        assert (False, 1) == (moved, len(problems))
        hold(living)
        assert (BIG, ALL) == (living.mask(100), living.mask(101))
        calls.refused = set()
        hold(living)
        assert BIG == living.mask(101)


# --- whatever happens, in the end every mask is as it was ---------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> FakeRoot:
    """One machine for many examples: each leaves it as it was."""
    return FakeRoot(tmp_path_factory.mktemp("machine") / "root")


actions = st.one_of(
    st.tuples(st.just("seat"), st.integers(0, 2), st.integers(0, 7)),
    st.tuples(st.just("hold"), st.just(0), st.just(0)),
    st.tuples(st.sampled_from(["unplug", "plug"]), st.just(0), st.integers(1, 7)),
    st.tuples(st.sampled_from(["die", "release"]), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("move itself"), st.integers(0, 2), st.integers(0, 7)),
    st.tuples(st.sampled_from(["thread", "child"]), st.integers(0, 2), st.just(0)),
)


class Story:
    """Three applications on one machine, and what their masks are to be in the end.

    Core 0 stays, and all may run there: a mask without a core that runs cannot be given back. All
    may run on both clusters, so that each is moved at the beginning.
    """

    def __init__(self, living: LivingBoard, masks: tuple[frozenset[int], ...]) -> None:
        self.living = living
        self.expected: dict[int, frozenset[int]] = {}
        self.threads = {100: [100], 200: [200, 201], 300: [300, 301, 302]}
        self._next = 1000
        for (pid, tids), mask in zip(self.threads.items(), masks, strict=True):
            living.manage(pid, threads=len(tids))
            for tid in tids:
                living.calls.set_affinity(tid, mask)
                self.expected[tid] = mask
        living.rescan()
        for pid in self.threads:
            self.seat(pid, 0)

    def do(self, action: str, number: int, core: int) -> None:
        """Let one thing happen, if it still can."""
        living, pid = self.living, (100, 200, 300)[number]
        managed = any(process.key.pid == pid for process in living.managed)
        if action == "hold":
            hold(living)
            self.check_held()
        elif action == "unplug":
            living.root.unplug(core)
        elif action == "plug":
            living.root.plug(core)
        elif managed:
            self._do_to(pid, action, core)

    def seat(self, pid: int, core: int) -> None:
        """Onto one core, or onto the cluster of it."""
        cluster = LITTLE if core in LITTLE else BIG
        seat(self.living, pid, {core} if pid == 100 else cluster)

    def check_held(self) -> None:
        """All threads of an application are in one place, where there are cores that run."""
        for process in self.living.managed:
            masks = {self.living.mask(tid) for tid in self.threads[process.key.pid]}
            assert 1 == len(masks)
            assert masks.pop() <= self.living.root.online

    def _do_to(self, pid: int, action: str, core: int) -> None:
        root = self.living.root
        if action == "seat":
            self.seat(pid, core)
        elif action == "die":
            self._die(pid)
        elif action == "release":
            self.living.release(pid)
            hold(self.living)
        elif action == "move itself" and core in root.online:
            self.living.place(pid, str(core))
            hold(self.living)  # before it has children there: those would be its own choice
            self.check_held()
        elif action in ("thread", "child"):
            self._grow(pid, action)

    def _grow(self, pid: int, action: str) -> None:
        new, self._next = self._next, self._next + 1
        if action == "thread":
            self.living.root.add_thread(pid, new)
        else:
            self.living.root.add_process(new, ppid=pid)
        self.threads[pid].append(new)
        self.expected[new] = self.expected[pid]

    def _die(self, pid: int) -> None:
        living = self.living
        children = [p.pid for p in living.root.processes.values() if p.ppid == pid]
        for number in (*children, pid):
            living.root.remove_process(number)
        living.clock.process_cpu.pop(pid, None)
        living.release(pid)
        for tid in self.threads[pid]:
            del self.expected[tid]

    def end(self) -> None:
        """Leave the machine as it was before the story."""
        root = self.living.root
        for core in ALL - root.online:
            root.plug(core)
        for pid in [pid for pid in root.processes if pid != 1]:
            root.remove_process(pid)


masks = st.frozensets(st.integers(1, 7), max_size=7).map(lambda cores: cores | {0, 4})


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    first=st.tuples(masks, masks, masks),
    steps=st.lists(actions, max_size=15),
)
def test_whatever_happens_in_the_end_every_mask_is_as_it_was(
    root: FakeRoot,
    tmp_path_factory: pytest.TempPathFactory,
    first: tuple[frozenset[int], ...],
    steps: list[tuple[str, int, int]],
) -> None:
    """Those that were born meanwhile have what their application had."""
    with LivingBoard(tmp_path_factory.mktemp("story"), root=root) as living:
        story = Story(living, first)
        try:
            for step in steps:
                story.do(*step)
            living.board.release()
            for core in ALL - root.online:
                root.plug(core)
            assert story.expected == {tid: living.mask(tid) for tid in story.expected}
        finally:
            story.end()
