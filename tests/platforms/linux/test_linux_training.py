"""Tests of training jobs and accelerators on a `LinuxBoard`: observed, decided, carried out."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from platforms.board import (
    Accelerator,
    AcceleratorCompute,
    AcceleratorPoint,
    AcceleratorPower,
    Board,
)
from platforms.board_file import load_board
from platforms.decision_check import IllegalDecision
from platforms.linux.knobs.restore import restore
from platforms.platform import Decision, TrainingGrant
from tests.platforms.linux.fake_files import create
from tests.platforms.linux.fake_root import FakeRoot
from tests.platforms.linux.living_board import LivingBoard

GPU = "/sys/class/devfreq/e82c0000.gpu"
FREQS_HZ = (103_750_000, 332_000_000, 767_000_000)
GROUP = "/sys/fs/cgroup/ilgov/job-1300"
PID = 300


def with_gpu(freqs_hz: tuple[int, ...] = FREQS_HZ, name: str = "mali-g72") -> Board:
    """A HiKey 970 whose GPU can train."""
    gpu = Accelerator(
        name=name,
        kind="gpu",
        opps=tuple(AcceleratorPoint(freq_hz=freq_hz, volt_v=0.8) for freq_hz in freqs_hz),
        compute=AcceleratorCompute(
            peak_flops_per_s=1e11, bandwidth_bytes_per_s=1e10, launch_s=1e-5, half_flops=1e6
        ),
        power=AcceleratorPower(
            static_w=0.1, dynamic_w=2.0, memory_w=0.5, activity_floor=0.2, node="soc"
        ),
        sources={},
    )
    return msgspec.structs.replace(load_board("hikey970"), accelerators=(gpu,))


def a_root(path: Path) -> FakeRoot:
    """A HiKey 970 whose GPU knows the governor userspace; its speed is always shown there."""
    root = FakeRoot(path / "root", zones=[sensor.name for sensor in with_gpu().sensors])
    create(root.path / GPU[1:], {"userspace/set_freq": "undefined", "target_freq": "332000000"})
    return root


@pytest.fixture
def living(tmp_path: Path) -> Iterator[LivingBoard]:
    """A board whose knobs are taken, with one job."""
    with LivingBoard(tmp_path, root=a_root(tmp_path), described=with_gpu()) as found:
        found.train(PID, memory_bytes=2**28)
        found.live()
        found.board.take()
        yield found


def decide(living: LivingBoard, *cores: int, gpu: int | None = None) -> tuple[str, ...]:
    """Grant the job these cores, and the GPU a clock; what was refused."""
    grants = (TrainingGrant(1000 + PID, 0, cores),)
    living.board.apply(Decision(grants=grants, accelerator_opp=(gpu,)))
    return living.board.refused


# --- jobs -----------------------------------------------------------------------------------------


def test_jobs_are_observed(living: LivingBoard) -> None:
    """As they are told of."""
    assert tuple(living.training) == living.board.observe().training


def test_a_grant_is_carried_out(living: LivingBoard) -> None:
    """Cores and memory."""
    assert () == decide(living, 1, 2)
    assert "1-2" == living.root.read(f"{GROUP}/cpuset.cpus")
    assert str(2**28) == living.root.read(f"{GROUP}/memory.high")


def test_an_illegal_grant_is_not(living: LivingBoard) -> None:
    """The board has no such core."""
    living.board.observe()
    with pytest.raises(IllegalDecision, match="grant of training job 1300: cores"):
        decide(living, 11)


def test_a_job_without_a_known_process_is_passed_over(living: LivingBoard) -> None:
    """It keeps its grant by itself."""
    living.training_processes.clear()
    assert () == decide(living, 1, 2)
    assert not (living.root.path / "sys/fs/cgroup/ilgov").exists()


def test_one_that_does_not_pause_is_frozen_until_its_next_grant(living: LivingBoard) -> None:
    """The grant alone leaves it the time to."""
    decide(living, 1, 2)
    decide(living)
    assert "0" == living.root.read(f"{GROUP}/cgroup.freeze")
    living.board.enforce(pause=[1300, 99])
    assert "1" == living.root.read(f"{GROUP}/cgroup.freeze")
    decide(living, 1, 2)
    assert "0" == living.root.read(f"{GROUP}/cgroup.freeze")


def test_one_that_is_silent_is_throttled_until_it_speaks(living: LivingBoard) -> None:
    """Not frozen: it could never be heard again."""
    decide(living, 1, 2)
    living.board.enforce(throttle=[1300])
    assert "1000 100000" == living.root.read(f"{GROUP}/cpu.max")
    living.board.enforce()
    assert "max 100000" == living.root.read(f"{GROUP}/cpu.max")


def test_children_of_a_job_are_held_and_an_application_among_them_is_not(
    living: LivingBoard,
) -> None:
    """Once in a migration period."""
    decide(living, 1, 2)
    living.root.add_process(310, ppid=PID)
    living.manage(320)
    living.root.add_process(330, ppid=320)
    living.rescan()
    living.board.observe()
    living.board.hold()
    procs = living.root.read(f"{GROUP}/cgroup.procs").split()
    assert ["300", "310"] == procs


def test_a_job_that_is_not_there_any_more_is_let_go(living: LivingBoard) -> None:
    """Its process may live on."""
    decide(living, 1, 2)
    living.training_processes.clear()
    living.board.hold()
    assert not (living.root.path / GROUP[1:]).exists()
    assert "0::/" == living.root.read(f"/proc/{PID}/cgroup")


def test_hands_off_lets_jobs_go_and_taking_again_confines_them_anew(living: LivingBoard) -> None:
    """Frozen ones as well."""
    before = living.root.read(f"/proc/{PID}/cgroup")
    decide(living, 1, 2)
    living.board.enforce(pause=[1300])
    living.board.release()
    assert before == living.root.read(f"/proc/{PID}/cgroup")
    assert not (living.root.path / "sys/fs/cgroup/ilgov").exists()
    living.board.take()
    assert () == decide(living, 3)
    assert "3" == living.root.read(f"{GROUP}/cpuset.cpus")


# --- accelerators ---------------------------------------------------------------------------------


def test_an_accelerators_clock_is_observed(living: LivingBoard) -> None:
    """What it is to run at, which does not wake it."""
    assert (1,) == living.board.observe().accelerator_opp


def test_it_is_steered_by_userspace(living: LivingBoard) -> None:
    """From the first clock that is asked for on."""
    assert "simple_ondemand" == living.root.read(f"{GPU}/governor")
    assert () == decide(living, 1, gpu=2)
    assert ["userspace", "767000000"] == [
        living.root.read(f"{GPU}/{name}") for name in ("governor", "userspace/set_freq")
    ]


def test_without_userspace_by_its_limits(tmp_path: Path) -> None:
    """The governor of the vendor's driver stays."""
    root = a_root(tmp_path)
    root.write(f"{GPU}/available_governors", "mali_ondemand")
    root.write(f"{GPU}/governor", "mali_ondemand")
    with LivingBoard(tmp_path, root=root, described=with_gpu()) as living:
        living.board.apply(Decision(accelerator_opp=(1,)))
        assert ["mali_ondemand", "332000000", "103750000"] == [
            root.read(f"{GPU}/{name}") for name in ("governor", "max_freq", "min_freq")
        ]
        living.board.hold()
        assert "767000000" == root.read(f"{GPU}/max_freq")


@pytest.mark.parametrize("how", ["no job", "release", "restore"])
def test_its_clock_is_put_back(living: LivingBoard, how: str) -> None:
    """When no job trains any more, at the end, and after kill -9."""
    decide(living, 1, gpu=0)
    if how == "no job":
        living.training.clear()
        living.board.hold()
    elif how == "release":
        living.board.release()
    else:
        assert living.journal is not None
        living.journal.close()
        report = restore(living.root.path, living.journal.path, living.calls, strict=False)
        assert () == report.problems
    assert "simple_ondemand" == living.root.read(f"{GPU}/governor")


def test_a_user_who_had_set_its_clock_gets_that_back(living: LivingBoard) -> None:
    """Governor and speed."""
    living.root.write(f"{GPU}/governor", "userspace")
    living.root.write(f"{GPU}/userspace/set_freq", "103750000")
    decide(living, 1, gpu=2)
    living.board.release()
    assert "103750000" == living.root.read(f"{GPU}/userspace/set_freq")


def test_another_hand_on_its_clock_is_noticed(living: LivingBoard) -> None:
    """Not that the hardware runs at another one."""
    living.board.observe()
    decide(living, 1, gpu=2)
    for _ in range(5):
        living.live()
        living.board.observe()
    assert [] == living.interference
    living.root.write(f"{GPU}/userspace/set_freq", "103750000")
    for _ in range(5):
        living.live()
        living.board.observe()
    assert [GPU] == [path for _, path, _, _ in living.interference]


@pytest.mark.parametrize(
    ("name", "freqs_hz"), [("mali-g72", (100_000_000,)), ("ddrfreq", (1_000,))]
)
def test_one_without_a_clock_reads_as_its_highest_and_refuses(
    tmp_path: Path, name: str, freqs_hz: tuple[int, ...]
) -> None:
    """Its driver has other frequencies, or there is none."""
    described = with_gpu((*freqs_hz, 900_000_000), name)
    with LivingBoard(tmp_path, root=a_root(tmp_path), described=described) as living:
        assert (1,) == living.board.observe().accelerator_opp
        living.board.apply(Decision(accelerator_opp=(0,)))
        assert "must have a devfreq clock" in living.board.refused[0]
        living.board.apply(Decision(accelerator_opp=(None,)))
        assert () == living.board.refused


def test_one_is_found_by_its_name_among_several_of_its_kind(tmp_path: Path) -> None:
    """The file ``name``, or the device that the folder links to."""
    root = a_root(tmp_path)
    other = {"name": "17000000.gpu", "cur_freq": "332000000", "governor": "userspace"}
    freqs = " ".join(map(str, FREQS_HZ))
    limits = {"min_freq": "103750000", "max_freq": "767000000", "available_frequencies": freqs}
    create(root.path / "sys/class/devfreq/devfreq7", {**other, **limits})
    with LivingBoard(tmp_path, root=root, described=with_gpu(name="17000000.gpu")) as living:
        root.write("/sys/class/devfreq/devfreq7/cur_freq", "767000000")
        assert (2,) == living.board.observe().accelerator_opp


def test_while_the_kernel_throttles_its_limits_are_not_taken(tmp_path: Path) -> None:
    """They would be restored as the user's."""
    root = a_root(tmp_path)
    root.write(f"{GPU}/available_governors", "simple_ondemand")
    root.write(f"{GPU}/max_freq", "332000000")
    cooling = root.path / "sys/class/thermal/cooling_device9"
    create(cooling, {"type": "devfreq-e82c0000.gpu", "cur_state": "1", "max_state": "2"})
    with LivingBoard(tmp_path, root=root, described=with_gpu()) as living:
        living.board.apply(Decision(accelerator_opp=(0,)))
        assert "wait until it has cooled down" in living.board.refused[0]
        assert "332000000" == root.read(f"{GPU}/max_freq")
