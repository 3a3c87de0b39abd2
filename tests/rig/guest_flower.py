"""A Flower SuperNode that trains a tiny transformer under the daemon's grants, on a real kernel.

SuperLink, ServerApp, SuperNode and ClientApp are Flower's own processes in the guest, with TLS and
keys, as `ilgov federated deploy` starts them. Beside them two programs with heartbeats. Each party
is killed in turn; what was kept is taken up when all are there again.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rig import training_checks
from tests.rig.checklist import SceneChecklist
from tests.rig.flower_server import TOLD
from tests.rig.governed import SOCKET, daemon
from tests.rig.training_checks import Scene
from tests.rig.training_scene import (
    COOL_C,
    ORDERED_PER_S,
    PATIENCE_S,
    Written,
    check_decisions,
    check_events,
    configuration,
    groups,
    heat_until_paused,
    lines_of,
    out,
    show_temperature,
    write_tables,
)
from tests.rig.world import OUT, plant, wait_until
from training.federated.engine.deployment import lines
from training.federated.engine.deployment.app import write_app
from training.federated.engine.deployment.environment import flower_environment
from training.federated.engine.deployment.federation import START_S, Federation, register
from training.federated.engine.deployment.keys import make_keys
from training.federated.engine.deployment.processes import Program, done, stopped_at_the_end
from training.federated.governed_mod import GOVERNED, KEPT
from training.federated.governed_mod import SOCKET as SOCKET_OPTION

DEVICE = "rig44"
ROUNDS, BATCH, TIMEOUT_S = 1, 16, 200.0
STEPS = round(ORDERED_PER_S * TIMEOUT_S / BATCH)
FOLDER = OUT / "flower"


@dataclass
class FlowerScene(Scene):
    """And Flower's processes, as they run now."""

    federation: Federation | None = None

    @property
    def link(self) -> Program:
        """The SuperLink."""
        assert self.federation is not None
        return next(p for p in self.federation.programs if p.name == "superlink")

    @property
    def node(self) -> Program:
        """The SuperNode."""
        assert self.federation is not None
        return self.federation.nodes[DEVICE]

    def kill(self, program: Program) -> None:
        """SIGKILL, to it and to all that it started."""
        assert self.federation is not None
        program.kill()
        self.federation.programs.remove(program)


FLOWER: SceneChecklist[FlowerScene] = SceneChecklist()
FLOWER.add(training_checks.it_trains_on_the_cores_that_it_is_granted)


@FLOWER.add
def what_trains_is_the_supernode_s_client_app(scene: FlowerScene) -> object:
    """A process of Flower's own, started by the SuperNode."""
    words = Path(f"/proc/{scene.trainer()}/cmdline").read_bytes().split(b"\0")
    assert any(b"flwr-clientapp" in word for word in words), words
    assert scene.trainer() in {process.pid for process in scene.node.family()}
    return [word.decode() for word in words[:2]]


FLOWER.add(training_checks.grants_change_its_batch_and_its_cores_while_it_trains)
FLOWER.add(training_checks.heat_pauses_it_and_it_goes_on_where_it_was)
FLOWER.add(training_checks.a_program_that_is_killed_leaves_the_others_as_they_are)
FLOWER.add(training_checks.without_a_daemon_it_goes_on_and_a_new_one_takes_over)


@FLOWER.add
def the_client_app_that_is_killed_loses_its_grant(scene: FlowerScene) -> object:
    """In a pause, with kill -9; its group is gone, and SuperNode and SuperLink stay."""
    kept = heat_until_paused(scene.daemon, scene.written)
    os.kill(scene.trainer(), signal.SIGKILL)
    scene.daemon.wait_until(lambda s: not s.training, "no job")
    wait_until(lambda: not groups(), "no group")
    assert scene.node.runs()
    assert scene.link.runs()
    return {"kept_at": kept["steps"]}


@FLOWER.add
def killed_supernode_and_superlink_leave_the_daemon_as_it_is(scene: FlowerScene) -> object:
    """First the one, then the other, with all that they started."""
    scene.kill(scene.node)
    assert scene.link.runs()
    scene.kill(scene.link)
    status = scene.daemon.status()
    assert not status.training
    assert ["typesetting"] == [app.name for app in status.applications]
    return status.state


@FLOWER.add
def all_again_the_round_goes_on_from_what_was_kept(scene: FlowerScene) -> object:
    """The server orders it again; what the killed ClientApp had kept is not trained twice."""
    events = scene.written.events()
    kept = [event for event in events if event["event"] == "kept"][-1]
    show_temperature(COOL_C)
    scene.federation = start_flower(scene.stack)
    scene.written.wait_for("taken up", len(events), patience_s=2 * PATIENCE_S)
    scene.wait_until_confined()
    wait_until(
        lambda: lines_of(FOLDER / TOLD)[-1]["event"] == "ends",
        "the last round",
        patience_s=TIMEOUT_S,
        look_s=0.5,
    )
    return check_round(scene.written.events(), kept, lines_of(FOLDER / TOLD))


def check_round(
    events: Sequence[dict[str, Any]], kept: dict[str, Any], told: Sequence[dict[str, Any]]
) -> object:
    """The new process began where the dead one was; the server got all that both have done.

    A round ends when all is done, or with its deadline.
    """
    (taken_up,) = [event for event in events if event["event"] == "taken up"]
    for what in ("steps", "samples"):
        assert kept[what] == taken_up[what], (kept, taken_up)
    assert kept["pid"] != taken_up["pid"]
    (over,) = [event for event in events if event["event"] == "round over"]
    (answered,) = [line["metrics"] for line in told if line["event"] == "round"]
    assert over["samples"] == answered["samples"] > taken_up["samples"], (over, answered)
    assert over["steps"] == answered["ilgov_steps"]
    return {"taken_up_at": taken_up["steps"], **answered}


@FLOWER.add
def all_is_as_they_wrote_it_down(scene: FlowerScene) -> object:
    """The training's own lines, and the daemon's."""
    events = check_events(scene.written.events())
    return {**events, **check_decisions(scene.written.decisions())}


def start_flower(stack: ExitStack) -> Federation:
    """A SuperLink, a SuperNode whose training is governed, and the run."""
    environment = flower_environment(FOLDER / "home")
    federation = Federation(
        keys=make_keys(FOLDER / "keys", [DEVICE]),
        folder=FOLDER,
        environment=environment,
        programs=stack.enter_context(stopped_at_the_end()),
    )
    federation.start_server()
    register(federation.keys, [DEVICE], environment)
    federation.start_node(DEVICE, FOLDER / "memory", governed=_governed())
    app = write_app(FOLDER / "app", _run_configuration())
    project = app / "pyproject.toml"
    own = project.read_text().replace("training.federated.engine.flower.", "tests.rig.flower_")
    own = own.replace("flower_server_app:", "flower_server:").replace(
        "flower_client_app:", "flower_client:"
    )
    project.write_text(own)
    print(done(lines.start_run(app), environment, within_s=START_S), flush=True)
    return federation


def _governed() -> Mapping[str, str]:
    return {
        GOVERNED: str(FOLDER / "capability.json"),
        SOCKET_OPTION: str(SOCKET),
        KEPT: str(FOLDER / "kept"),
    }


def _run_configuration() -> Mapping[str, str]:
    return {
        "folder": str(FOLDER),
        "rounds": str(ROUNDS),
        "steps": str(STEPS),
        "batch": str(BATCH),
        "timeout_s": str(TIMEOUT_S),
    }


def main(report: Path) -> int:
    """All checks, one after the other."""
    out("flower")
    write_tables(FOLDER / "capability.json")
    decisions = OUT / "flower.decisions.jsonl"
    written = Written(FOLDER / "kept" / "events.jsonl", decisions)
    with ExitStack() as stack:
        federation = start_flower(stack)  # it takes longest, and its ClientApp comes later still
        stack.enter_context(plant("flower", cooling="fan"))
        file = configuration(decisions)
        started = stack.enter_context(daemon("flower", file))
        scene = FlowerScene(stack, file, written, started, federation=federation)
        return int(any(FLOWER.run(scene, report).values()))


if __name__ == "__main__":
    sys.exit(main(OUT / "guest_flower.json"))
