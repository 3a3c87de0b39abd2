"""What is checked of any training that a daemon governs, a plain loop's or a SuperNode's."""

import os
import signal
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.rig.governed import SOCKET, Daemon, daemon
from tests.rig.training_scene import (
    COOL_C,
    PATIENCE_S,
    Written,
    confined_to,
    cpu_s,
    cpu_s_of_threads,
    heat_until_paused,
    job_of,
    show_temperature,
    variety,
)
from tests.rig.world import Application, application, wait_until

PROGRAMS = {"counting": ("automotive_bitcount", 40.0), "typesetting": ("office_ghostscript", 60.0)}
"""Profiles, and targets in heartbeats/s; as in `guest_closed_loop`."""

WARM_C, WARM_S, PAUSE_S = 62.0, 3.0, 3.0
PAUSED_SHARE = 0.25
"""Of a core, for the thread that trains: paused it asks the daemon now and then. A worker thread of
PyTorch's was seen to spin all the time in the guest (README)."""


@dataclass
class Scene:
    """Everybody: the daemon that runs now, what is written, the programs that are left."""

    stack: ExitStack
    configuration: Path
    written: Written
    daemon: Daemon
    programs: dict[str, Application] = field(default_factory=dict)

    def trainer(self) -> int:
        """The pid of the process that trains, as the daemon knows it."""
        return job_of(self.daemon.status()).pid

    def start_programs(self) -> None:
        """Two programs with heartbeats."""
        for name, (profile, target) in PROGRAMS.items():
            self.programs[name] = self.stack.enter_context(
                application(
                    name,
                    profile,
                    target=target,
                    instructions_per_heartbeat=2e7,
                    socket=str(SOCKET),
                )
            )
        self.daemon.wait_until(
            lambda s: PROGRAMS.keys() == {app.name for app in s.applications},
            "both programs",
            patience_s=PATIENCE_S,
        )

    def wait_until_confined(self) -> None:
        """Until the kernel holds all threads of it to its cores, in a group of its own."""

        def confined() -> bool:
            job = job_of(self.daemon.status())
            group, cores = confined_to(job.pid)
            return group == f"/ilgov/job-{job.id}" and cores == {tuple(sorted(job.cores))}

        wait_until(
            lambda: self.daemon.says(lambda s: bool(s.training) and confined()),
            "a training that is held to its cores",
            patience_s=PATIENCE_S,
        )


def it_trains_on_the_cores_that_it_is_granted(scene: Scene) -> object:
    """In a control group; and all threads of it on no other core."""
    wait_until(
        lambda: any(e["event"] == "grant" and e["number"] for e in scene.written.events()),
        "a grant",
        patience_s=2 * PATIENCE_S,
        look_s=0.5,
    )
    scene.wait_until_confined()
    took_s = scene.written.wait_for_samples(scene.daemon, 64)
    job = job_of(scene.daemon.status())
    return {"cores": job.cores, "knobs": job.knobs, "64_samples_s": took_s, "pid": job.pid}


def grants_change_its_batch_and_its_cores_while_it_trains(scene: Scene) -> object:
    """For two programs come, and it gets warmer."""
    pid = scene.trainer()
    scene.start_programs()
    show_temperature(WARM_C)
    time.sleep(WARM_S)
    wait_until(
        lambda: all(len(found) > 1 for found in variety(scene.written.events())),
        "another batch and other cores",
        patience_s=60.0,
        look_s=0.5,
    )
    batches, cores = variety(scene.written.events())
    assert pid == scene.trainer()
    return {"batches": sorted(batches), "cores": sorted(cores)}


def heat_pauses_it_and_it_goes_on_where_it_was(scene: Scene) -> object:
    """What it had done is kept before it pauses."""
    pid = scene.trainer()
    kept = heat_until_paused(scene.daemon, scene.written)
    before_s, before = cpu_s_of_threads(pid), job_of(scene.daemon.status()).samples
    time.sleep(PAUSE_S)
    spent_s = [after - was for was, after in zip(before_s, cpu_s_of_threads(pid), strict=True)]
    assert before == job_of(scene.daemon.status()).samples
    assert spent_s[0] < PAUSED_SHARE * PAUSE_S, spent_s
    seen = len(scene.written.events())
    show_temperature(COOL_C)
    goes_on = scene.written.wait_for("goes on", seen)
    assert kept["steps"] == goes_on["steps"], (kept, goes_on)
    scene.written.wait_for_samples(scene.daemon, 16)
    return {"kept_at": kept["steps"], "paused_s": goes_on["paused_s"], "spent_s": spent_s}


def a_program_that_is_killed_leaves_the_others_as_they_are(scene: Scene) -> object:
    """The daemon lets go of it; the training goes on."""
    dead, pid = scene.programs.pop("counting"), scene.trainer()
    os.kill(dead.process.pid, signal.SIGKILL)
    let_go_s = scene.daemon.wait_until(
        lambda s: ["typesetting"] == [app.name for app in s.applications], "one program"
    )
    scene.written.wait_for_samples(scene.daemon, 16)
    assert pid == scene.trainer()
    return {"let_go_s": let_go_s}


def without_a_daemon_it_goes_on_and_a_new_one_takes_over(scene: Scene) -> object:
    """By its last grant; the new daemon holds the same process to a new one."""
    pid = scene.trainer()
    scene.daemon.kill()
    before_s = cpu_s(pid)
    alone_s = wait_until(
        lambda: cpu_s(pid) > before_s + 1.0, "training without a daemon", patience_s=60.0
    )
    scene.daemon = scene.stack.enter_context(daemon("training-again", scene.configuration))
    scene.wait_until_confined()
    scene.written.wait_for_samples(scene.daemon, 16)
    assert pid == scene.trainer()
    return {"a_cpu_second_alone_s": alone_s}
