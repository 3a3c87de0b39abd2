"""A PyTorch loop that trains a tiny transformer under the daemon's grants, on a real kernel.

Beside it two programs with heartbeats. Its batch and its cores change while it trains; heat pauses
it; then each party in turn is killed. All is read from what they wrote themselves.
"""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.rig import training_checks
from tests.rig.checklist import SceneChecklist
from tests.rig.governed import daemon
from tests.rig.training_checks import Scene
from tests.rig.training_scene import (
    COOL_C,
    ORDERED_PER_S,
    Written,
    check_decisions,
    check_events,
    configuration,
    confined_to,
    groups,
    heat_until_paused,
    out,
    show_temperature,
    write_tables,
)
from tests.rig.world import OUT, plant, process, wait_until

DEADLINE_S = 180.0
ROUND_SAMPLES = round(ORDERED_PER_S * DEADLINE_S)

TRAINING: SceneChecklist[Scene] = SceneChecklist()
TRAINING.add(training_checks.it_trains_on_the_cores_that_it_is_granted)
TRAINING.add(training_checks.grants_change_its_batch_and_its_cores_while_it_trains)
TRAINING.add(training_checks.heat_pauses_it_and_it_goes_on_where_it_was)
TRAINING.add(training_checks.a_program_that_is_killed_leaves_the_others_as_they_are)
TRAINING.add(training_checks.without_a_daemon_it_goes_on_and_a_new_one_takes_over)


@TRAINING.add
def killed_it_loses_its_grant_and_a_new_one_takes_up_what_was_kept(scene: Scene) -> object:
    """Its group is gone; after kill -9 in a pause no step is lost."""
    kept = heat_until_paused(scene.daemon, scene.written)
    os.kill(scene.trainer(), signal.SIGKILL)
    scene.daemon.wait_until(lambda s: not s.training, "no job")
    wait_until(lambda: not groups(), "no group")
    seen = len(scene.written.events())
    _start_loop(scene.stack)
    taken_up = scene.written.wait_for("taken up", seen)
    for what in ("steps", "samples"):
        assert kept[what] == taken_up[what], (kept, taken_up)
    show_temperature(COOL_C)
    scene.wait_until_confined()
    scene.written.wait_for_samples(scene.daemon, 16)
    return {"steps": kept["steps"], "samples": kept["samples"]}


@TRAINING.add
def all_is_as_they_wrote_it_down(scene: Scene) -> object:
    """The training's own lines, and the daemon's."""
    events = check_events(scene.written.events())
    return {**events, **check_decisions(scene.written.decisions())}


@TRAINING.add
def in_the_end_nothing_is_left_of_the_daemon(scene: Scene) -> object:
    """SIGTERM: no group, and the training may use all cores again."""
    pid = scene.trainer()
    code, took_s = scene.daemon.stop()
    assert 0 == code
    group, cores = confined_to(pid)
    assert ("/", {tuple(range(8))}) == (group, cores), (group, cores)
    assert [] == groups()
    return {"stop_s": took_s}


def _start_loop(stack: ExitStack) -> None:
    words = (out("training"), ROUND_SAMPLES, DEADLINE_S)
    stack.enter_context(process("tests.rig.training_loop", *words))


def main(report: Path) -> int:
    """All checks, one after the other."""
    folder = out("training")
    write_tables(folder / "capability.json")
    decisions = OUT / "training.decisions.jsonl"
    written = Written(folder / "events.jsonl", decisions)
    with ExitStack() as stack:
        stack.enter_context(plant("training", cooling="fan"))
        file = configuration(decisions)
        _start_loop(stack)
        started = stack.enter_context(daemon("training", file))
        return int(any(TRAINING.run(Scene(stack, file, written, started), report).values()))


if __name__ == "__main__":
    sys.exit(main(OUT / "guest_training.json"))
