"""EAS with schedutil, and with the power allocator, as policies on observations and boards."""

import pytest
from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.platform import ApplicationReading, Migration, Observation
from rm.checker import check_policy
from rm.governor import Governor
from rm.policies.eas import EasSchedutil, make_schedutil, make_schedutil_ipa
from rm.policies.energy_model import EnergyModel
from rm.policies.pelt import EST_MARGIN
from rm.policies.registry import PolicyContext
from rm.policies.run_queues import RunQueues
from tests.platforms.programs import COMPUTE, job, simulated
from tests.rm.readings import HIKEY, observation, reading


def _seen(
    *apps: ApplicationReading,
    rounds: int = 40,
    policy: EasSchedutil | None = None,
    utilisation: tuple[float, ...] | None = None,
    opp_index: tuple[int, ...] = (6, 8),
    opp_cap: tuple[int, ...] | None = None,
) -> tuple[EasSchedutil, Observation]:
    """A policy after so many equal rounds, and the last of them."""
    policy = policy or EasSchedutil(HIKEY)
    for number in range(rounds):
        last = observation(
            *apps,
            utilisation=utilisation,
            opp_index=opp_index,
            opp_cap=opp_cap,
            time_s=1.0 + 0.05 * number,
        )
        policy.scale(last)
    return policy, last


def _busy(**share: float) -> tuple[float, ...]:
    return tuple(share.get(f"core{core}", 0.0) for core in range(8))


# --- utilisation from observations --------------------------------------------------------------


def test_tasks_that_share_a_core_share_its_utilisation() -> None:
    """Two that never sleep, half of 1024 each."""
    queues = RunQueues(HIKEY, EnergyModel.of(HIKEY))
    both = observation(reading(0), reading(1), opp_index=(6, 8))
    for _ in range(40):
        landscape = queues.follow(both)
    assert [512.0, 512.0] == pytest.approx([task.util for task in landscape.tasks])
    assert landscape.core_util[4] == pytest.approx(1024.0)


def test_half_a_core_at_a_lower_clock_is_less_utilisation() -> None:
    """Frequency invariance: half of 682 MHz, of 2362 MHz that are worth 1024.

    The estimate sinks from a newcomer's to within its margin of that.
    """
    queues = RunQueues(HIKEY, EnergyModel.of(HIKEY))
    slow = observation(reading(0), utilisation=_busy(core4=0.5), opp_index=(0, 0))
    for _ in range(400):
        landscape = queues.follow(slow)
    assert landscape.core_util[4] == pytest.approx(512 * 682 / 2362, abs=EST_MARGIN)


def test_several_threads_load_the_cores_that_they_are_spread_over() -> None:
    """Three threads on the big cluster beside a lone one: a core each."""
    queues = RunQueues(HIKEY, EnergyModel.of(HIKEY))
    threaded = reading(0, cores=(4, 5, 6, 7), threads=3)
    seen = observation(threaded, reading(1, cores=(5,)), opp_index=(6, 8))
    landscape = queues.follow(seen)
    assert (0, 0, 0, 0, 1, 1, 1, 1) == landscape.core_threads
    assert [1] == [task.id for task in landscape.tasks]


def test_a_task_takes_its_utilisation_along() -> None:
    """PELT's signals belong to the entity, not to the core."""
    queues = RunQueues(HIKEY, EnergyModel.of(HIKEY))
    for _ in range(40):
        queues.follow(observation(reading(0, cores=(4,)), opp_index=(6, 8)))
    moved = queues.follow(observation(reading(0, cores=(0,)), opp_index=(6, 8)))
    assert moved.core_util[0] == pytest.approx(1024.0)
    assert 0.0 == moved.core_util[4]


def test_programs_that_nobody_registered_count_too() -> None:
    """A core is as busy as it is seen to be."""
    _, seen = _seen(utilisation=_busy(core5=0.5))
    queues = RunQueues(HIKEY, EnergyModel.of(HIKEY))
    for _ in range(40):
        landscape = queues.follow(seen)
    assert landscape.core_util[5] == pytest.approx(512.0)


# --- placement ----------------------------------------------------------------------------------


def test_a_light_task_goes_to_a_little_core() -> None:
    """10 % of a big core fit a little one, which is cheaper."""
    policy, last = _seen(reading(0, cores=(4,)), utilisation=_busy(core4=0.1))
    assert (Migration(0, (0,)),) == policy.migrate(last)


def test_a_light_task_on_a_little_core_stays() -> None:
    """Nothing is to be saved."""
    policy, last = _seen(reading(0, cores=(2,)), utilisation=_busy(core2=0.3))
    assert () == policy.migrate(last)


def test_a_task_too_large_for_little_stays_big_while_eas_is_on() -> None:
    """Half of a big core is more than 80 % of a little one."""
    policy, last = _seen(reading(0, cores=(4,)), utilisation=_busy(core4=0.5))
    assert () == policy.migrate(last)


def test_one_over_utilised_core_switches_eas_off_for_all() -> None:
    """The light task, which EAS would move to LITTLE, is left where it is."""
    light, heavy = reading(0, cores=(4,)), reading(1, cores=(5,))
    policy, last = _seen(light, heavy, utilisation=_busy(core4=0.1, core5=0.9))
    assert () == policy.migrate(last)
    policy, last = _seen(light, heavy, utilisation=_busy(core4=0.1, core5=0.7))
    assert (Migration(0, (0,)),) == policy.migrate(last)


def test_a_task_that_never_sleeps_on_little_is_a_misfit_and_goes_up() -> None:
    """Its utilisation passes any little core's capacity."""
    policy, last = _seen(reading(0, cores=(1,)))
    assert (Migration(0, (4,)),) == policy.migrate(last)


def test_a_cap_on_the_big_cluster_turns_misfits_away() -> None:
    """The kernel's thermal pressure makes big cores small."""
    policy, last = _seen(reading(0, cores=(1,)), opp_cap=(6, 0), opp_index=(6, 0))
    assert () == policy.migrate(last)


def test_on_a_symmetric_board_eas_never_starts() -> None:
    """sched-energy.rst, 6.1: a light task is left alone."""
    little, big = HIKEY.clusters
    twins = (replace(big, name="twin", cores=little.cores), big)
    symmetric = replace(HIKEY, clusters=twins)
    policy, last = _seen(
        reading(0, cores=(4,)),
        reading(1, cores=(0,)),
        policy=EasSchedutil(symmetric),
        utilisation=_busy(core0=0.3, core4=0.1),
        opp_index=(8, 8),
    )
    assert () == policy.migrate(last)


# --- frequency ----------------------------------------------------------------------------------


def test_a_busy_loop_drives_its_cluster_to_the_top_within_half_a_second() -> None:
    """The observation follows the decision, round by round; the other cluster sleeps."""
    policy, opps = EasSchedutil(HIKEY), (0, 0)
    ramp = []
    for number in range(10):
        seen = observation(reading(0, cores=(4,)), opp_index=opps, time_s=1.0 + 0.05 * number)
        opps = policy.scale(seen)
        ramp.append(opps[1])
    assert sorted(ramp) == ramp
    assert (0, 8) == opps


def test_partial_load_gets_a_quarter_more_than_it_uses() -> None:
    """Half of 2362 MHz used, 1476 MHz asked for, 1498 MHz given."""
    policy, last = _seen(reading(0, cores=(4,)), utilisation=_busy(core4=0.5))
    assert 1_498_000_000 == HIKEY.clusters[1].freqs_hz[policy.scale(last)[1]]


def test_an_observation_counts_once_though_both_loops_see_it() -> None:
    """The governor asks for migrations and operating points with the same one."""
    one, other = EasSchedutil(HIKEY), EasSchedutil(HIKEY)
    for number in range(8):
        seen = observation(reading(0, cores=(0,)), time_s=1.0 + 0.05 * number)
        one.migrate(seen)
        one.scale(seen)
        assert other.scale(seen) == one.scale(seen)


# --- on boards ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ipa", [False, True])
@pytest.mark.parametrize("board", ["hikey970", "hikey960", "rk3588"])
def test_it_keeps_the_promises_of_a_policy_on_every_board(board: str, ipa: bool) -> None:
    """Two clusters or three."""
    described = load_board(board)
    check_policy(lambda: EasSchedutil(described, ipa=ipa), described)


def test_the_factories_make_what_their_names_say() -> None:
    """The names are those of the comparison's tables."""
    context = PolicyContext(HIKEY, simulated())
    assert "eas-schedutil" == make_schedutil(context).name
    assert "eas-schedutil-ipa" == make_schedutil_ipa(context).name


def test_the_power_allocator_needs_a_protection_section() -> None:
    """The message names the board and the way out."""
    bare = replace(HIKEY, protection=None)
    context = PolicyContext(bare, simulated())
    with pytest.raises(InvalidInput, match=r"needs a board with a \[protection\].*eas-schedutil$"):
        make_schedutil_ipa(context)
    check_policy(lambda: EasSchedutil(bare), bare)


def _hot_run(policy: EasSchedutil, board: Board = HIKEY) -> tuple[float, float]:
    """Peak sensor temperature (degC) and throttled time (s) of 8 busy loops at 35 degC, no fan."""
    jobs = [job(number, COMPUTE, instructions=1e15) for number in range(8)]
    sim = simulated(*jobs, board=board, cooling="passive-35", start_temp_c=60.0)
    peak_c = [0.0]
    governor = Governor(
        sim,
        policy,
        sim.clock,
        listener=lambda *_: peak_c.append(max(peak_c[-1], sim.sensor_temp_c)),
    )
    governor.run(240.0)
    return peak_c[-1], sim.throttled_s


def test_the_power_allocator_spares_the_boards_own_protection_where_plain_eas_does_not() -> None:
    """Eight busy loops at 35 degC without a fan need more than this board can shed (simulated)."""
    plain_c, plain_throttled_s = _hot_run(EasSchedutil(HIKEY))
    held_c, held_throttled_s = _hot_run(EasSchedutil(HIKEY, ipa=True))
    assert 60.0 < plain_throttled_s
    assert 0.0 == held_throttled_s
    assert held_c < plain_c - 1.0
