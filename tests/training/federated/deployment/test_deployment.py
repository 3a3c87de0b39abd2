"""A SuperLink and three SuperNodes as processes, with TLS and a key each; things go wrong."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.training.federated.engine.awkward import SYSTEM, awkward_setup
from training.federated.engine.deployment.environment import flower_environment
from training.federated.engine.deployment.federation import START_S, Federation
from training.federated.engine.deployment.keys import make_keys
from training.federated.engine.deployment.processes import (
    Program,
    stopped_at_the_end,
    wait_until,
)
from training.federated.engine.deployment.run import follow, start_run
from training.federated.engine.progress import Listener, Round
from training.federated.exchange import Order, Reply
from training.federated.running import (
    MEMORY,
    PROGRESS,
    InProcessCarrier,
    Plan,
    begin,
    carry_out,
    read_results,
)
from training.federated.system import Setup

ROOT = Path(__file__).parents[4]
FIRST, SECOND, THIRD = "board-01", "board-02", "board-03"
ROUNDS = 4
TIMEOUT_S = 40.0


class Without(InProcessCarrier):
    """One process, in which the second device is lost in some rounds."""

    lost: frozenset[int] = frozenset()

    def __call__(self, orders: Mapping[str, Order]) -> Mapping[str, Reply]:
        """See Exchange."""
        absent = {SECOND} if self.round in self.lost else set()
        return super().__call__(
            {name: order for name, order in orders.items() if name not in absent}
        )


def setup_for(tmp_path: Path) -> Setup:
    """The first device sends garbage in round 2, the second hangs in round 3 until it is killed."""
    return awkward_setup(
        fleet=str(Path(__file__).with_name("three.toml")),
        options={
            "garbage": [f"{FIRST}@2"],
            "hang": f"{SECOND}@3",
            "hangs": str(tmp_path / "hangs"),
            "server_hang": 3,
            "server_hangs": str(tmp_path / "server-hangs"),
        },
    )


def plan_for(setup: Setup, folder: Path) -> Plan:
    """Four rounds."""
    plan = Plan(
        setup=setup, engine="deployment", rounds=ROUNDS, out=str(folder), timeout_s=TIMEOUT_S
    )
    begin(plan)
    return plan


def expected(tmp_path: Path, lost: frozenset[int]) -> tuple[str, ...]:
    """What comes of the same in one process: the record, and the model's bytes."""
    setup = setup_for(tmp_path)
    gentle = awkward_setup(fleet=setup.fleet, options={"garbage": setup.options["garbage"]})
    plan = plan_for(gentle, tmp_path / "expected")
    carrier = Without(SYSTEM, gentle)
    carrier.lost = lost
    results = carry_out(plan, carrier)
    return str(results.record), model(plan)


def model(plan: Plan) -> str:
    """The model's bytes after the last round."""
    last = max((plan.folder / "checkpoints").glob("round-*"))
    return (last / "state.safetensors").read_bytes().hex()


@pytest.mark.slow
def test_a_deployment_comes_through_a_killed_server_a_killed_node_and_garbage(
    tmp_path: Path,
) -> None:
    """It ends with the numbers of one process, bit for bit, without what was lost.

    The ServerApp is killed in round 3 and the run is resumed: it goes on from its checkpoint,
    and the devices from what they remember. A node whose key nobody registered is refused.
    """
    plan = plan_for(setup_for(tmp_path), tmp_path / "run")
    environment = {**flower_environment(tmp_path / "flower"), "PYTHONPATH": str(ROOT)}
    keys = make_keys(tmp_path / "keys", [FIRST, SECOND, THIRD])
    strangers = make_keys(tmp_path / "strangers", ["stranger"])
    strangers.authority.write_bytes(keys.authority.read_bytes())
    memory, progress = plan.folder / MEMORY, plan.folder / PROGRESS
    with ExitStack() as stack, stopped_at_the_end() as programs:
        federation = Federation(
            keys=keys, folder=tmp_path, environment=environment, programs=programs
        )
        federation.start_server()
        stranger = federation.start_node("stranger", memory, strangers)
        programs.remove(stranger)
        stack.callback(stranger.stop)
        federation.start_nodes([FIRST, SECOND, THIRD], memory)

        start_run(plan, progress, environment)
        hangs = (tmp_path / "server-hangs").exists
        wait_until(hangs, within_s=2 * START_S, what="the server hangs", of=programs)
        assert 2 == rounds(progress)
        kill_server_app(programs[0])

        def kill_in_mid_round() -> None:
            """Power cut of the second board while it acts."""
            wait_until((tmp_path / "hangs").exists, within_s=START_S, what="it hangs", of=programs)
            federation.nodes[SECOND].kill()

        progress.unlink()
        with ThreadPoolExecutor(1) as pool:
            killing = pool.submit(kill_in_mid_round)
            run_id = start_run(plan, progress, environment)
            follow(run_id, progress, lambda event: None, environment, programs[:1])
            killing.result()
        assert not stranger.runs()
        assert "Failed to activate SuperNode" in stranger.log.read_text()
        assert "No SuperNode found with the given public key" in programs[0].log.read_text()
    results = read_results(plan.folder)
    reasons = {(failure.device, failure.round): failure.reason for failure in results.failures}
    lost = frozenset(round_ for device, round_ in reasons if device == SECOND)
    assert frozenset({3, 4}) == lost, "nobody started it again"
    assert {(FIRST, 2), (SECOND, 3), (SECOND, 4)} == reasons.keys()
    assert "weights must be of shape (3, 3)" in reasons[FIRST, 2]
    assert expected(tmp_path, lost) == (str(results.record), model(plan))


def rounds(progress: Path) -> int:
    """How many rounds were told of."""
    return sum(isinstance(event, Round) for event in Listener(progress).news())


def kill_server_app(superlink: Program) -> None:
    """Kill -9 of the process that runs the rounds."""
    (found,) = (
        process
        for process in superlink.family()
        if any("flwr-serverapp" in word for word in process.cmdline())
    )
    found.kill()
