"""Tests of the board that the machine is: it keeps its promises, whatever happens to it."""

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from platforms.checker import check_platform
from platforms.decision_check import IllegalDecision
from platforms.linux.errors import JournalUnusable, WriteRefused
from platforms.linux.knobs.system_calls import RecordedCalls
from platforms.platform import Decision, Migration
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.living_board import RATE_IPS, LivingBoard

CPUFREQ = "/sys/devices/system/cpu/cpufreq"
ALL_BUSY = dict.fromkeys(range(8), 1.0)
LITTLE = range(4)


class CallsThat(RecordedCalls):
    """The kernel's calls, which fail for some threads: ``errors[tid]`` is the error's number."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.errors: dict[int, int] = {}
        self.on_set: list[int] = []

    def set_affinity(self, tid: int, cores: Iterable[int]) -> None:
        """Fail where a test says so."""
        self.on_set.append(tid)
        if tid in self.errors:
            number = self.errors[tid]
            raise OSError(number, os.strerror(number))
        super().set_affinity(tid, cores)


@pytest.fixture
def living(tmp_path: Path) -> Iterator[LivingBoard]:
    """A HiKey 970 whose knobs are taken."""
    with LivingBoard(tmp_path) as made:
        made.board.take()
        yield made


# --- the promises of a platform -----------------------------------------------------------------


@pytest.mark.parametrize("actuator", ["setspeed", "cap"])
@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("name", ["hikey970", "rk3588"])
def test_it_keeps_every_promise_of_a_platform(
    tmp_path: Path, actuator: str, threads: int, name: str
) -> None:
    """Without applications and with; afterwards all is as it was."""
    with LivingBoard(tmp_path, name, actuator=actuator) as living:
        if threads:
            living.manage(100, threads=threads)
        before = living.knobs()
        living.clock.busy = ALL_BUSY
        living.board.take()
        living.rescan()
        for _ in range(3):
            living.live()
            living.board.observe()
        living.rescan()
        check_platform(living.board, living.clock)
        seen = living.board.observe()
        assert [threads] == [app.threads for app in seen.applications] or not threads
        living.board.release()
        assert before == living.knobs()


def test_it_keeps_them_while_the_kernel_throttles(tmp_path: Path) -> None:
    """Then less is allowed than the board has."""
    with LivingBoard(tmp_path) as living:
        living.manage(100)
        living.board.take()
        living.root.cap(4, 1_210_000)
        check_platform(living.board, living.clock)
        top = living.board.board.highest_opps[1]
        assert living.board.observe().opp_cap[1] < top


def test_it_keeps_them_in_a_dry_run_but_moves_nothing(tmp_path: Path) -> None:
    """All is decided, nothing is written."""
    with LivingBoard(tmp_path, dry_run=True) as living:
        living.manage(100)
        before = living.knobs()
        living.board.take()
        living.rescan()
        for opp in (3, 5):
            living.live()
            living.board.observe()
            living.board.apply(Decision((Migration(1, (opp,)),), (opp, opp)))
            living.board.hold()
        living.board.release()
        assert before == living.knobs()
        assert living.writer.would_write_count >= 4


def test_rates_are_means_over_the_window(living: LivingBoard) -> None:
    """What was counted in 50 ms, per second."""
    living.manage(100)
    living.rescan()
    living.live()
    living.board.observe()
    living.live()
    (app,) = living.board.observe().applications
    assert (pytest.approx(RATE_IPS), RATE_IPS) == (app.rate_ips, app.target_ips)


# --- applications that vanish, kernels that refuse ----------------------------------------------


def test_threads_that_vanish_in_the_middle_of_a_migration_are_nobodys_fault(
    tmp_path: Path,
) -> None:
    """ESRCH for some: the others are moved, and nothing is refused."""
    root = FakeRoot(tmp_path / "other")
    calls = CallsThat(root.path)
    with LivingBoard(tmp_path, calls=calls, root=root) as living:
        living.manage(100, threads=4)
        living.board.take()
        for _ in range(2):
            living.rescan()
            living.live()
        living.board.observe()
        calls.errors = {101: errno.ESRCH, 103: errno.ESRCH}
        living.board.apply(Decision((Migration(1, (4, 5, 6, 7)),)))
        assert ((1,), ()) == (living.board.moved, living.board.refused)
        assert {4, 5, 6, 7} == living.mask(100) == living.mask(102)


def test_an_application_that_ends_before_it_is_moved_is_passed_over(living: LivingBoard) -> None:
    """Between observation and decision."""
    living.manage(100)
    living.rescan()
    living.live()
    living.board.observe()
    living.die(100)
    living.board.apply(Decision((Migration(1, (5,)),), (0, 0)))
    assert () == living.board.refused
    living.release(100)
    living.live()
    assert () == living.board.observe().applications
    living.board.hold()


def test_threads_that_the_kernel_does_not_move_are_told(tmp_path: Path) -> None:
    """EINVAL: its cpuset has shrunk."""
    root = FakeRoot(tmp_path / "other")
    calls = CallsThat(root.path)
    with LivingBoard(tmp_path, calls=calls, root=root) as living:
        living.manage(100)
        living.board.take()
        living.rescan()
        living.live()
        living.board.observe()
        calls.errors = {100: errno.EINVAL}
        living.board.apply(Decision((Migration(1, (5,)),)))
        assert () == living.board.moved
        (told,) = living.board.refused
        assert told == (
            "application 1: 1 threads may not run on core 5; its cpuset may have shrunk"
        )
        living.live()
        living.board.observe()
        assert ((), ()) == (living.board.moved, living.board.refused)


def test_nonsense_is_refused_before_anything_is_written(living: LivingBoard) -> None:
    """The board has eight cores and nine operating points."""
    living.manage(100)
    living.rescan()
    living.live()
    living.board.observe()
    before = living.knobs()
    for decision in (
        Decision((Migration(1, (8,)),), (0, 0)),
        Decision((Migration(1, (1, 2)),), (0, 0)),
        Decision((Migration(1, (1,)),), (0, 99)),
        Decision((Migration(1, (1,)),), (0,)),
    ):
        with pytest.raises(IllegalDecision, match="must"):
            living.board.apply(decision)
    assert before == living.knobs()


def test_without_room_for_the_undo_nothing_more_is_written(
    living: LivingBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the guard is told; once all is given back it may be tried again."""
    living.manage(100)
    living.rescan()
    living.live()
    living.board.observe()

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("platforms.linux.knobs.journal.os.write", full)
        living.board.apply(Decision((Migration(1, (5,)),), (3, 3)))
        assert "No space left" in (living.board.knob_problem or "")
        assert living.board.refused
        assert {} == living.masks()
        living.board.hold()
    living.board.release()
    assert living.board.knob_problem is None
    living.board.take()
    living.board.apply(Decision((Migration(1, (5,)),), (3, 3)))
    assert ((1,), ()) == (living.board.moved, living.board.refused)


# --- taking and giving back ---------------------------------------------------------------------


def test_where_one_clock_cannot_be_taken_none_is(tmp_path: Path) -> None:
    """The error is passed on, and all is as it was."""
    with LivingBoard(tmp_path) as living:
        before = living.knobs()
        with living.root.refusing(f"{CPUFREQ}/policy4/scaling_governor"):
            with pytest.raises(WriteRefused, match="policy4/scaling_governor must"):
                living.board.take()
            assert before == living.knobs()
        living.board.take()
        assert "userspace" == living.root.read(f"{CPUFREQ}/policy4/scaling_governor")


def test_a_journal_that_cannot_be_written_takes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be undone is not done."""

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with LivingBoard(tmp_path) as living:
        before = living.knobs()
        with monkeypatch.context() as patch:
            patch.setattr("platforms.linux.knobs.journal.os.write", full)
            with pytest.raises(JournalUnusable):
                living.board.take()
        assert before == living.knobs()


def test_taken_and_released_again_and_again_it_leaves_no_trace(living: LivingBoard) -> None:
    """As between hands-off and normal."""
    living.manage(100, threads=2)
    living.board.release()
    before = living.knobs()
    for round_number in range(5):
        living.board.take()
        for _ in range(2):
            living.rescan()
            living.live()
        living.board.observe()
        core = round_number % 4
        living.board.apply(Decision((Migration(1, (core, (core + 1) % 4)),), (round_number, 2)))
        living.board.hold()
        living.live()
        living.board.release()
        assert before == living.knobs()


# --- cores that come and go ---------------------------------------------------------------------


def test_a_core_is_unplugged_and_plugged_under_an_application(living: LivingBoard) -> None:
    """It gets its own core back."""
    living.manage(100)
    living.rescan()
    living.live()
    living.board.observe()
    living.board.apply(Decision((Migration(1, (2,)),)))
    living.root.unplug(2)
    living.live()
    living.board.observe()
    living.board.hold()
    assert living.mask(100) <= set(LITTLE) - {2}
    living.root.plug(2)
    living.live()
    living.board.observe()
    living.board.hold()
    assert {2} == living.mask(100)


def test_where_the_cores_cannot_be_read_they_are_as_before(living: LivingBoard) -> None:
    """A file that fails for a moment unplugs no core."""
    living.board.observe()
    online = living.root.path / "sys/devices/system/cpu/online"
    online.write_text("rubbish")
    living.live()
    living.board.observe()
    assert set(range(8)) == living.board.cores_online
