"""Tests of the clocks as the governor steers them: clamps, other people's hands, refusals."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.linux.clocks.frequency_domain import DomainReading, FrequencyDomain, find_domains
from platforms.linux.clocks.steered_clusters import (
    REFUSALS_IN_A_ROW,
    SETTLES_WITHIN_S,
    actuators_for,
)
from platforms.linux.errors import WriteRefused
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.living_board import LivingBoard

POLICY = "/sys/devices/system/cpu/cpufreq/policy4"
GOVERNOR, SPEED = f"{POLICY}/scaling_governor", f"{POLICY}/scaling_setspeed"
BIG = (4, 5, 6, 7)
LATER_S = 2 * SETTLES_WITHIN_S


@pytest.fixture
def living(tmp_path: Path) -> Iterator[LivingBoard]:
    """A HiKey 970 whose clocks are taken and set."""
    with LivingBoard(tmp_path) as made:
        made.clusters.take()
        ask(made, 3, 4)
        yield made


def ask(living: LivingBoard, *opps: int) -> tuple[str, ...]:
    """Ask for operating points, and let the kernel follow."""
    problems = living.clusters.set(opps)
    living.root.settle()
    return problems


def read(living: LivingBoard, after_s: float = LATER_S) -> tuple[tuple[int, int], ...]:
    """Operating point and cap of each cluster, a while later."""
    living.live(after_s)
    return tuple((c.opp, c.cap) for c in living.clusters.read(living.clock.now_s()))


# --- what is asked ------------------------------------------------------------------------------


def test_what_was_asked_is_there(living: LivingBoard) -> None:
    """And counted as written."""
    assert ((3, 6), (4, 8)) == read(living)
    assert 2 == living.clusters.writes
    assert [] == living.interference


def test_what_is_there_is_not_written_again(living: LivingBoard) -> None:
    """Only what differs is."""
    assert () == ask(living, 3, 5)
    assert () == ask(living, 3, 5)
    assert 3 == living.clusters.writes


def test_a_clamp_of_the_kernels_is_counted_and_is_no_interference(living: LivingBoard) -> None:
    """What was asked for comes back when it lets go, without a write."""
    freqs_khz = living.root.policy(4).cluster.freqs_khz
    living.root.cap(4, freqs_khz[1])
    assert ((3, 6), (1, 1)) == read(living)
    assert (1, []) == (living.clusters.clamped, living.interference)
    living.root.cap(4, None)
    assert ((3, 6), (4, 8)) == read(living)
    assert 2 == living.clusters.writes


def test_frequencies_between_two_points_are_the_nearest(living: LivingBoard) -> None:
    """Some drivers report what the hardware measures."""
    khz = living.root.policy(4).cluster.freqs_khz[6] - 13
    file = living.root.path / POLICY.lstrip("/") / "scaling_cur_freq"
    file.write_text(f"{khz}\n")
    (_, big) = living.clusters.read(living.clock.now_s())
    assert (6, khz * 1000) == (big.opp, big.freq_hz)


# --- other people's hands -----------------------------------------------------------------------


def test_another_speed_than_was_asked_is_told_once_and_written_anew(living: LivingBoard) -> None:
    """Told with what was asked and what was found."""
    living.root.write(SPEED, str(living.root.policy(4).cluster.freqs_khz[0]))
    read(living)
    read(living)
    (told,) = living.interference
    freqs_hz = living.board.board.clusters[1].freqs_hz
    assert (POLICY, f"{freqs_hz[4]} Hz", f"{freqs_hz[0]} Hz, userspace") == told[1:]
    assert () == ask(living, 3, 4)
    assert (4, 8) == read(living)[1]


def test_another_governor_is_told_too(living: LivingBoard) -> None:
    """Even where the frequency happens to be the same."""
    living.root.write(GOVERNOR, "performance")
    read(living)
    read(living)
    assert ["performance"] == [told[3].split(", ")[1] for told in living.interference]


def test_who_writes_between_any_two_rounds_is_noticed_although_the_asked_clock_changes_too(
    living: LivingBoard,
) -> None:
    """Another clock is asked for in every round, and found overwritten in every round."""
    for opp in (5, 6, 7, 8, 5, 6, 7, 8):
        ask(living, 3, opp)
        living.root.write(SPEED, str(living.root.policy(4).cluster.freqs_khz[0]))
        read(living, SETTLES_WITHIN_S / 2)
    assert 2 <= len(living.interference)


def test_who_overwrites_a_clock_with_the_same_one_is_told_every_time(living: LivingBoard) -> None:
    """What is read looks as it did before; it is no less wrong for that."""
    for times in (1, 2, 3):
        living.clusters.set((3, 4))
        living.root.write(SPEED, str(living.root.policy(4).cluster.freqs_khz[0]))
        read(living)
        read(living)
        assert times == len(living.interference)


def test_what_the_kernel_has_not_applied_yet_is_no_interference(living: LivingBoard) -> None:
    """A moment after the write."""
    living.clusters.set((3, 7))
    living.clusters.read(living.clock.now_s() + SETTLES_WITHIN_S / 2)
    assert [] == living.interference


def test_a_difference_from_before_the_knobs_were_given_back_is_forgotten(
    living: LivingBoard,
) -> None:
    """Whoever takes them again gives the kernel as much time as ever."""
    living.root.write(SPEED, str(living.root.policy(4).cluster.freqs_khz[0]))
    read(living)
    living.board.release()
    living.board.take()
    living.clusters.set((3, 7))
    living.root.write(SPEED, str(living.root.policy(4).cluster.freqs_khz[0]))
    read(living)
    assert [] == living.interference


def test_in_a_dry_run_nobody_interferes(tmp_path: Path) -> None:
    """What was not written cannot be overwritten."""
    with LivingBoard(tmp_path, dry_run=True) as living:
        living.clusters.take()
        ask(living, 3, 4)
        living.root.write(GOVERNOR, "performance")
        read(living)
        assert [] == living.interference


# --- refusals -----------------------------------------------------------------------------------


def test_a_clock_that_refuses_is_a_problem_after_three_times(living: LivingBoard) -> None:
    """Once happens; and one that is taken makes up for those before."""
    for _ in range(2):
        with living.root.refusing(SPEED):
            living.writer.close()
            for opp in range(REFUSALS_IN_A_ROW - 1):
                (told,) = ask(living, 3, 5 + opp)
                assert "policy4/scaling_setspeed must take" in told
                assert living.clusters.problem is None
        assert () == ask(living, 3, 8)
        assert () == ask(living, 3, 4)
    with living.root.refusing(SPEED):
        living.writer.close()
        for opp in range(REFUSALS_IN_A_ROW):
            ask(living, 3, 5 + opp)
        assert "the clock of big refuses what is written to it" == living.clusters.problem
    assert 4 + REFUSALS_IN_A_ROW == living.clusters.refused


def test_a_problem_ends_when_the_knobs_are_given_back(living: LivingBoard) -> None:
    """So that they can be taken again one day."""
    with living.root.refusing(SPEED):
        living.writer.close()
        for opp in range(REFUSALS_IN_A_ROW):
            ask(living, 3, 5 + opp)
    living.board.release()
    assert living.clusters.problem is None
    living.board.take()
    assert () == ask(living, 3, 4)


# --- clusters without a core --------------------------------------------------------------------


def unplug(living: LivingBoard) -> None:
    """Take the big cluster away."""
    for core in BIG:
        living.root.unplug(core)


def plug(living: LivingBoard) -> None:
    """Bring it back."""
    for core in BIG:
        living.root.plug(core)


def test_an_unplugged_cluster_is_at_its_lowest_and_asked_nothing(living: LivingBoard) -> None:
    """Whatever is decided for it meanwhile is no refusal; the others are steered on."""
    unplug(living)
    assert ((3, 6), (0, 0)) == read(living)
    for opp in range(2 * REFUSALS_IN_A_ROW):
        assert () == ask(living, opp, opp)
    assert (None, 0) == (living.clusters.problem, living.clusters.refused)
    assert (2 * REFUSALS_IN_A_ROW - 1, 6) == read(living)[0]
    plug(living)
    read(living)
    assert () == ask(living, 0, 7)
    assert ((0, 6), (7, 8)) == read(living)


def test_a_cluster_that_was_just_read_is_not_looked_for_again(
    living: LivingBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round reads every clock before it asks for any."""
    read(living)
    reads: list[str] = []
    domain_read = FrequencyDomain.read

    def counted(domain: FrequencyDomain) -> DomainReading:
        reads.append(domain.path)
        return domain_read(domain)

    monkeypatch.setattr(FrequencyDomain, "read", counted)
    assert () == ask(living, 2, 5)
    assert [] == reads
    assert () == ask(living, 1, 5)
    assert ["/sys/devices/system/cpu/cpufreq/policy0"] == reads


def test_a_cluster_that_is_unplugged_after_it_was_read_refuses_nothing(living: LivingBoard) -> None:
    """It is as if it had been seen to be gone."""
    for opp in range(2 * REFUSALS_IN_A_ROW):
        plug(living)
        read(living)
        unplug(living)
        assert () == ask(living, opp, opp)
    assert (None, 0) == (living.clusters.problem, living.clusters.refused)


@pytest.mark.parametrize("actuator", ["setspeed", "cap"])
def test_a_cluster_that_is_unplugged_at_the_start_is_taken_when_it_comes(
    tmp_path: Path, actuator: str
) -> None:
    """And put back as it was."""
    with LivingBoard(tmp_path, actuator=actuator) as living:
        before = living.knobs()
        unplug(living)
        living.board.take()
        assert () == ask(living, 2, 2)
        assert (0, 0) == read(living)[1]
        plug(living)
        read(living)
        living.clock.busy = dict.fromkeys(range(8), 1.0)
        assert () == ask(living, 2, 5)
        assert ((2, 6), (5, 8)) == read(living)
        assert [] == living.interference
        living.board.release()
        assert before == living.knobs()


def test_a_late_cluster_that_cannot_be_taken_counts_as_refusing(tmp_path: Path) -> None:
    """Its clock is not relied upon."""
    with LivingBoard(tmp_path) as living:
        unplug(living)
        living.board.take()
        plug(living)
        with living.root.refusing(GOVERNOR):
            for _ in range(REFUSALS_IN_A_ROW):
                (told,) = ask(living, 2, 5)
                assert "policy4/scaling_governor must" in told
            assert living.clusters.problem is not None


# --- the board and the machine ------------------------------------------------------------------


def test_a_machine_with_other_clusters_is_refused(tmp_path: Path) -> None:
    """The message says what there is."""
    domains = find_domains(FakeRoot(tmp_path, "rk3588").path)
    with pytest.raises(
        InvalidInput, match=r"little must have a cpufreq policy.*see 'ilgov doctor'"
    ):
        actuators_for(load_board("hikey970"), domains[1:], "setspeed")
    with pytest.raises(InvalidInput, match="there are: none"):
        actuators_for(load_board("hikey970"), (), "setspeed")


def test_a_machine_with_other_frequencies_is_refused(tmp_path: Path) -> None:
    """They cannot be asked for."""
    root = FakeRoot(tmp_path)
    file = root.path / POLICY.lstrip("/") / "scaling_available_frequencies"
    file.write_text("682000 2362000\n")
    with pytest.raises(InvalidInput, match=r"big\.freq_hz must be frequencies of .*policy4"):
        actuators_for(load_board("hikey970"), find_domains(root.path), "cap")


def test_a_board_may_use_less_frequencies_than_there_are(tmp_path: Path) -> None:
    """Boost, for example, can be left out."""
    root = FakeRoot(tmp_path)
    file = root.path / POLICY.lstrip("/") / "scaling_available_frequencies"
    file.write_text(f"{file.read_text().strip()} 3000000\n")
    assert 2 == len(actuators_for(load_board("hikey970"), find_domains(root.path), "cap"))


def test_a_governor_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With what to do."""
    with LivingBoard(tmp_path / "one") as living:
        root = living.root.path
        file = root / POLICY.lstrip("/") / "scaling_available_governors"
        file.write_text("schedutil performance\n")
    other = tmp_path / "two"
    other.mkdir()
    with LivingBoard(other, root=living.root) as living:
        before = living.knobs()
        with pytest.raises(WriteRefused, match="modprobe cpufreq_userspace"):
            living.board.take()
        assert before == living.knobs()
