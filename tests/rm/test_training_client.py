"""Tests of the trainer: with a daemon, without one, and with one that comes, goes or hangs."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platforms.platform import TrainingGrant
from rm.client import Line
from rm.daemon.configuration.settings import TrainingSettings
from rm.training.job import Job
from rm.training_client import ASK_S, PENDING_S, Grant, Outlook, Trainer
from rm.training_talk import REFUSED_PAUSE_S, WAIT_S
from tests.rm.daemon.served import Daemon, in_background, wait_until
from tests.rm.training_capability import KNOBS, capability


class FakeClock:
    """Time that passes when a test says so, and a little with every look."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        """Seconds."""
        self.now_s += 1e-6
        return self.now_s


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the daemon listens, once there is one."""
    return tmp_path / "socket"


@pytest.fixture
def daemon(path: Path) -> Iterator[Daemon]:
    """A daemon that is served in the background; a test decides for it."""
    with in_background(governed(path)) as daemon:
        yield daemon


def governed(path: Path) -> Daemon:
    """A daemon that lets processes train."""
    return Daemon(path, settings=TrainingSettings())


def trainer(path: Path, clock: Callable[[], float] = time.monotonic, **more: object) -> Trainer:
    """A trainer that waits for a daemon on a machine that is busy with other tests."""
    return Trainer(
        capability(),
        name="tiny",
        socket_path=path,
        clock=clock,
        **{"patience_s": 60.0, **more},  # type: ignore[arg-type]
    )


def give(daemon: Daemon, *cores: int, setting: int = 0) -> None:
    """Decide for the newest job as a policy would; no cores: pause."""
    job = job_of(daemon)
    daemon.jobs.hand_out([TrainingGrant(job.id, setting, cores)], daemon.clock.now_s())


def job_of(daemon: Daemon) -> Job:
    """The newest job."""
    return daemon.jobs.alive(daemon.clock.now_s())[-1]


def begin(trainer: Trainer, samples: float = 1000.0) -> Outlook:
    """A round of an hour."""
    return trainer.begin_round(samples=samples, deadline_s=3600.0)


def soon(do: Callable[[], object], *, delay_s: float = 0.05) -> threading.Timer:
    """Do something a little later, in another thread."""
    timer = threading.Timer(delay_s, do)
    timer.start()
    return timer


# --- with a daemon ------------------------------------------------------------------------------


def test_a_training_loop_gets_its_knobs_and_cores_and_tells_what_it_has_done(
    daemon: Daemon,
) -> None:
    """The example of the manual."""
    clock = FakeClock()
    with trainer(daemon.path, clock) as made:
        assert made.connected
        outlook = made.begin_round(samples=1000, deadline_s=3600.0, number=7)
        assert (True, "") == (outlook.meets, outlook.reason)
        assert 1000.0 == outlook.samples_possible
        give(daemon, 4, 5, setting=1)
        clock.now_s += ASK_S
        grant = made.wait()
        assert (KNOBS[1], (4, 5), 1) == (grant.knobs, grant.cores, grant.setting)
        clock.now_s += ASK_S
        made.step(samples=32, loss=2.5)
        job = job_of(daemon)
        assert (32.0, 2.5, 7) == (job.samples, job.loss, job.round and job.round.number)
    wait_until(lambda: not daemon.jobs.alive(daemon.clock.now_s()))


def test_an_outlook_that_is_bad_is_told_before_a_sample_is_done(daemon: Daemon) -> None:
    """So that the server can plan anew."""
    with trainer(daemon.path) as made:
        outlook = made.begin_round(samples=1e6, deadline_s=10.0)
        assert not outlook.meets
        assert outlook.finish_s is not None
        assert 1000.0 == pytest.approx(outlook.finish_s, rel=0.01)
        assert "left" in outlook.reason


def test_the_daemon_is_asked_five_times_a_second_at_most(daemon: Daemon) -> None:
    """However fast the loop is; nothing is lost."""
    clock = FakeClock()
    with trainer(daemon.path, clock) as made:
        begin(made)
        give(daemon, 4)
        clock.now_s += ASK_S
        made.wait()
        for _ in range(50):
            made.step(samples=2)
        assert 0.0 == job_of(daemon).samples
        clock.now_s += ASK_S
        made.step(samples=2)
        assert 102.0 == job_of(daemon).samples


def test_samples_count_for_the_setting_they_were_done_by(daemon: Daemon) -> None:
    """Those of a larger batch are worth less."""
    clock = FakeClock()
    with trainer(daemon.path, clock) as made:
        begin(made)
        give(daemon, 4, setting=2)
        clock.now_s += ASK_S
        assert 2 == made.wait().setting
        give(daemon, 4, setting=0)
        clock.now_s += ASK_S
        assert 0 == made.step(samples=64).setting
        assert 32.0 == pytest.approx(job_of(daemon).done)
        clock.now_s += ASK_S
        made.step(samples=16)
        assert 48.0 == pytest.approx(job_of(daemon).done)


def test_when_the_cores_are_wanted_back_it_saves_pauses_and_goes_on(daemon: Daemon) -> None:
    """In one call of `step`."""
    saved: list[str] = []
    with trainer(daemon.path, checkpoint=lambda: saved.append(job_of(daemon).state)) as made:
        begin(made)
        give(daemon, 4, 5)
        made.wait()
        give(daemon)
        again = soon(lambda: wait_until(lambda: job_of(daemon).state == "paused"))
        resumed = soon(lambda: (again.join(), give(daemon, 0, setting=1)))
        time.sleep(ASK_S)
        grant = made.step(samples=16)
        assert ["revoking"] == saved
        assert ((0,), 1) == (grant.cores, grant.setting)
        assert 0.04 < grant.paused_s < 60.0
        assert 16.0 == job_of(daemon).samples
        resumed.join()
        time.sleep(ASK_S)
        assert 0.0 == made.step(samples=16).paused_s
        assert ["revoking"] == saved


def test_nothing_is_saved_twice(daemon: Daemon) -> None:
    """Paused again before a step was done."""
    saved: list[int] = []
    with trainer(daemon.path, checkpoint=lambda: saved.append(1)) as made:
        begin(made)
        for _ in range(2):
            give(daemon, 4)
            made.wait()
            give(daemon)
            time.sleep(ASK_S)
            timer = soon(lambda: (time.sleep(0.2), give(daemon, 4)))
            made.wait()
            timer.join()
        assert [] == saved


def test_who_is_told_of_a_grant_is_told_of_each_that_is_new(daemon: Daemon) -> None:
    """It sets the number of threads, say."""
    told: list[Grant] = []
    clock = FakeClock()
    with trainer(daemon.path, clock, on_grant=told.append) as made:
        begin(made)
        for cores in ((4,), (4,), (4, 5)):
            give(daemon, *cores)
            clock.now_s += ASK_S
            made.wait()
        made.step(samples=1)
    assert [(4,), (4, 5)] == [grant.cores for grant in told]


def test_a_round_that_is_done_waits_for_nothing(daemon: Daemon) -> None:
    """Though its cores are others' now; the next round waits for its grant."""
    with trainer(daemon.path) as made:
        begin(made, samples=32.0)
        give(daemon, 4)
        made.wait()
        time.sleep(ASK_S)
        made.step(samples=32)
        time.sleep(ASK_S)
        assert 0.0 == made.step(samples=1).paused_s
        assert "waiting" == job_of(daemon).state
        begin(made, samples=32.0)
        timer = soon(lambda: give(daemon, 5), delay_s=0.2)
        assert (5,) == made.wait().cores
        timer.join()


def test_threads_may_share_a_trainer(daemon: Daemon) -> None:
    """No sample is lost between them, and one of them saves."""
    saved: list[int] = []
    with trainer(daemon.path, checkpoint=lambda: saved.append(1)) as made:
        begin(made, samples=1e6)
        give(daemon, 4)
        made.wait()

        def work() -> None:
            for _ in range(200):
                made.step(samples=1)
                time.sleep(0.002)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        give(daemon)
        wait_until(lambda: job_of(daemon).state == "paused")
        give(daemon, 5)
        for thread in threads:
            thread.join()
        time.sleep(ASK_S)
        made.step(samples=1)
        assert ([1], 801.0) == (saved, job_of(daemon).samples)


def test_closing_lets_go_who_waits(daemon: Daemon) -> None:
    """From another thread."""
    made = trainer(daemon.path)
    with made:
        begin(made)
        give(daemon, 4)
        made.wait()
        give(daemon)
        time.sleep(ASK_S)
        timer = soon(made.close)
        assert (4,) == made.wait().cores
        timer.join()


# --- without one --------------------------------------------------------------------------------


def test_without_a_daemon_training_goes_on_by_the_first_setting(path: Path) -> None:
    """At once, and it can be told why it is alone."""
    clock = FakeClock()
    told: list[Grant] = []
    with trainer(path, clock, on_grant=told.append) as made:
        outlook = begin(made)
        assert (True, None) == (outlook.meets, outlook.finish_s)
        assert "No such file or directory" in outlook.reason
        for _ in range(100):
            grant = made.step(samples=16, loss=float("nan"))
            clock.now_s += ASK_S
        assert (0, KNOBS[0], 0.0) == (grant.number, grant.knobs, grant.paused_s)
        assert tuple(sorted(os.sched_getaffinity(0))) == grant.cores
        assert not made.connected
        assert f"{path}: No such file or directory" == made.problem
    assert 1 == len(told)


def test_a_daemon_that_starts_later_is_told_what_is_done_already(path: Path) -> None:
    """And governs from then on."""
    clock = FakeClock()
    with trainer(path, clock) as made:
        begin(made)
        made.step(samples=160)
        with in_background(governed(path)) as daemon:
            clock.now_s += 1.1 * ASK_S
            made.step(samples=16)
            assert made.connected
            assert 1000.0 - 176.0 == pytest.approx(job_of(daemon).left)
            give(daemon, 4, 5)
            clock.now_s += ASK_S
            assert (4, 5) == made.step(samples=16).cores
            clock.now_s += ASK_S
            made.step(samples=16)
            assert 1000.0 - 208.0 == pytest.approx(job_of(daemon).left)


def test_after_a_restart_it_goes_on_by_its_last_grant_and_nothing_counts_twice(
    path: Path,
) -> None:
    """By whichever setting it was done, told by the daemon before or not."""
    clock = FakeClock()
    with trainer(path, clock) as made:
        with in_background(governed(path)) as first:
            clock.now_s += 1.0
            begin(made)
            give(first, 4, setting=2)
            clock.now_s += ASK_S
            made.wait()
            clock.now_s += ASK_S
            made.step(samples=64)
            assert 32.0 == pytest.approx(job_of(first).done)
            made.step(samples=64)
        clock.now_s += ASK_S
        grant = made.step(samples=64)
        assert ((4,), 2, False) == (grant.cores, grant.setting, made.connected)
        with in_background(governed(path)) as second:
            clock.now_s += 10.0
            assert ((4,), 2) == made.step(samples=64)[3:0:-2]
            assert 1000.0 - 4 * 32.0 == pytest.approx(job_of(second).left)
            assert not job_of(second).ignores_pause
            clock.now_s += ASK_S
            made.step(samples=64)  # it has not decided: not told, or it would seem to disobey
            assert 1000.0 - 4 * 32.0 == pytest.approx(job_of(second).left)
            give(second, 5, setting=0)
            clock.now_s += ASK_S
            made.step(samples=64)
            clock.now_s += ASK_S
            made.step(samples=16)
            assert 1000.0 - 6 * 32.0 - 16.0 == pytest.approx(job_of(second).left)


def test_a_job_that_was_paused_goes_on_when_the_daemon_is_dead(path: Path) -> None:
    """Nobody would give it cores any more."""
    with trainer(path, patience_s=0.3) as made:
        with in_background(governed(path)) as daemon:
            wait_until(lambda: begin(made).finish_s is not None)
            give(daemon, 4)
            made.wait()
            give(daemon)
            time.sleep(ASK_S)
            grants: list[Grant] = []
            training = threading.Thread(target=lambda: grants.append(made.step(samples=16)))
            training.start()
            wait_until(lambda: job_of(daemon).state == "paused")
        training.join()
        assert [(4,)] == [grant.cores for grant in grants]
        assert 0.3 < grants[0].paused_s < 60.0


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long at most was waited for an answer, each time."""
    waited: list[float] = []
    wait = Line.wait

    def noted(line: Line, left_s: float) -> None:
        waited.append(left_s)
        wait(line, left_s)

    monkeypatch.setattr(Line, "wait", noted)
    return waited


def test_a_daemon_that_hangs_costs_a_little_once(path: Path, waits: list[float]) -> None:
    """It takes connections, the kernel does that for it, and never reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as hanging:
        hanging.bind(str(path))
        hanging.listen()
        with trainer(path, patience_s=0.3) as made:
            assert "the daemon does not answer" == made.problem
            begin(made)
            waits.clear()
            end_s = time.monotonic() + 3 * ASK_S
            while time.monotonic() < end_s:
                made.step(samples=1)
            assert len(waits) <= 3
            assert max(waits, default=0.0) <= WAIT_S


def test_a_daemon_that_stops_for_a_while_slows_nothing_down(
    daemon: Daemon, waits: list[float]
) -> None:
    """What it says later is taken by a later step; for a while none is waited for."""
    hold, held = threading.Event(), threading.Event()
    with trainer(daemon.path) as made:
        begin(made, samples=1e9)
        give(daemon, 4)
        made.wait()
        turn = daemon.turn

        def held_turn(duration_s: float = 0.005) -> None:
            held.set()
            hold.wait()
            turn(duration_s)

        daemon.turn = held_turn  # type: ignore[method-assign]
        try:
            assert held.wait(60.0)
            give(daemon, 4, 5)
            waits.clear()
            start_s = time.monotonic()
            while time.monotonic() - start_s < 3 * ASK_S:
                made.step(samples=1)
            assert len(waits) <= 2
            assert max(waits, default=0.0) <= WAIT_S
            assert made.connected
        finally:
            hold.set()
        end_s = time.monotonic() + 60.0
        while made.grant.cores != (4, 5) and time.monotonic() < end_s:
            made.step(samples=1)
        assert (4, 5) == made.grant.cores


def test_a_daemon_that_refuses_is_no_error_and_asked_again_much_later(
    daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    """Its owner may let jobs in by then."""
    clock = FakeClock()
    daemon.desk.refusal = "training.enabled must be true (got false)"
    with caplog.at_level("WARNING"), trainer(daemon.path, clock) as made:
        begin(made)
        assert "training.enabled must be true (got false)" == made.problem
        for _ in range(20):
            clock.now_s += ASK_S
            assert KNOBS[0] == made.step(samples=1).knobs
        assert 1 == len(caplog.messages)
        daemon.desk.refusal = None
        clock.now_s += REFUSED_PAUSE_S
        made.step(samples=1)
        assert made.connected


@pytest.mark.parametrize(
    "answer",
    [
        b"rubbish\n",
        b"{}\n",
        b'{"type":"training","job":1,"grant":{}}\n',
        b'{"type":"error","error":"no","closing":true}\n',
        (
            b'{"type":"training","job":1,"grant":{"number":1,"state":"granted","setting":99,'
            b'"cores":[0],"accelerator":null,"binding":true,"outlook":{"meets":true}}}\n'
        ),
    ],
)
def test_a_daemon_that_talks_rubbish_is_left(path: Path, answer: bytes) -> None:
    """Training must not fall over it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as strange:
        strange.bind(str(path))
        strange.listen()

        def talk() -> None:
            with strange.accept()[0] as line:
                line.recv(65536)
                line.sendall(answer)
                line.recv(65536)

        talking = threading.Thread(target=talk)
        talking.start()
        with trainer(path) as made:
            assert not made.connected
            assert made.problem is not None
            begin(made)
            assert KNOBS[0] == made.step(samples=1).knobs
        talking.join()


def test_a_daemon_that_decides_nothing_does_not_stop_training(daemon: Daemon) -> None:
    """It may be hands-off for good; it is waited for, but not for ever."""
    clock = FakeClock()
    with trainer(daemon.path, clock) as made:
        begin(made)
        hurry = threading.Event()

        def pass_time() -> None:
            while not hurry.wait(0.01):
                clock.now_s += ASK_S

        thread = threading.Thread(target=pass_time)
        thread.start()
        grant = made.wait()
        hurry.set()
        thread.join()
        assert (0, KNOBS[0]) == (grant.number, grant.knobs)
        assert 0.9 * PENDING_S < grant.paused_s < 10 * PENDING_S


def test_a_daemon_that_only_shows_what_it_would_do_is_not_obeyed(path: Path) -> None:
    """A dry run changes nothing."""
    dry = Daemon(path, settings=TrainingSettings(), binding=False)
    with in_background(dry) as daemon, trainer(path) as made:
        begin(made)
        give(daemon, 4, setting=2)
        time.sleep(ASK_S)
        assert KNOBS[0] == made.step(samples=1).knobs
        give(daemon)
        time.sleep(ASK_S)
        assert 0.0 == made.step(samples=1).paused_s


def test_a_child_does_not_train_for_its_parent(daemon: Daemon) -> None:
    """A loader's worker, say: what it says over the parent's line would count for the parent."""
    with trainer(daemon.path) as made:
        begin(made)
        give(daemon, 4)
        time.sleep(ASK_S)
        made.wait()
        child = os.fork()
        if not child:
            time.sleep(ASK_S)
            fine = made.step(samples=1000).cores == (4,)
            begin(made)
            made.close()
            os._exit(0 if fine else 1)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        time.sleep(ASK_S)
        made.step(samples=2)
        assert 2.0 == job_of(daemon).samples


# --- mistakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"capability": {}}, "capability.settings must be a list of objects that have knobs"),
        ({"capability": {"settings": []}}, "capability.settings must have at least one"),
        ({"name": ""}, "name must have 1 to 64 characters"),
        ({"pid": 0}, "pid must be that of a process"),
        ({"limits": {"power_w": float("nan")}}, "must be JSON with finite numbers"),
        ({"capability": capability(settings=4000)}, "must have at most 262144 bytes as JSON"),
    ],
)
def test_what_no_daemon_would_take_is_a_mistake_at_once(
    wrong: dict[str, object], problem: str
) -> None:
    """It shows in the first test of the training script."""
    arguments = {"capability": capability(), **wrong}
    with pytest.raises(ValueError, match=problem):
        Trainer(**arguments)  # type: ignore[arg-type]


def test_numbers_that_say_nothing_are_mistakes(path: Path) -> None:
    """So is a step without a round."""
    made = trainer(path)
    with pytest.raises(ValueError, match="begin_round must come before step"):
        made.step(samples=1)
    with pytest.raises(ValueError, match="samples must be a number above 0"):
        made.begin_round(samples=0, deadline_s=1.0)
    with pytest.raises(ValueError, match="deadline_s must be a number above 0"):
        made.begin_round(samples=1, deadline_s=float("inf"))
    begin(made)
    with pytest.raises(ValueError, match="samples must be a number above 0"):
        made.step(samples=-1)


def test_a_capability_is_read_from_its_file(tmp_path: Path, daemon: Daemon) -> None:
    """As ``ilgov federated profile`` writes it."""
    file = tmp_path / "capability.json"
    file.write_text(json.dumps(capability()))
    with Trainer(file, socket_path=daemon.path, patience_s=60.0) as made:
        assert made.connected
    file.write_text("[]")
    with pytest.raises(ValueError, match="must hold a JSON object"):
        Trainer(str(file))
    with pytest.raises(OSError, match="No such file"):
        Trainer(tmp_path / "none.json")


def test_it_needs_nothing_but_the_standard_library() -> None:
    """A training script has libraries and versions of its own."""
    script = (
        "import sys; before = set(sys.modules); import rm.training_client\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {"rm"} == set(ended.stdout.split()) - sys.stdlib_module_names
