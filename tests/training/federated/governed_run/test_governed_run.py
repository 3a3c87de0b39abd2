"""A real run: daemon, two foreground processes, a Flower SuperNode that trains; all are killed.

The board is a practice board, whose clocks, cores and temperature are files; all processes are
real. What happened is read from the logs: the daemon's decisions, its status, the training's own
events, the server's progress.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.training.federated.governed_run.parties import LIMIT_C, Parties
from training.federated.engine.deployment.federation import START_S, Federation
from training.federated.engine.deployment.federation import register as register_keys
from training.federated.engine.deployment.keys import Keys, make_keys
from training.federated.engine.deployment.processes import (
    Program,
    stopped_at_the_end,
    wait_until,
)
from training.federated.engine.deployment.run import follow, start_run
from training.federated.engine.progress import Listener, Round
from training.federated.governed_mod import GOVERNED, KEPT, SOCKET
from training.federated.running import MEMORY, PROGRESS, Plan, begin, read_results
from training.federated.system import Setup

FLEET = Path(__file__).parents[1] / "deployment/three.toml"
DEVICE = "board-01"
STEPS, BATCH = 1875, 16
TIMEOUT_S = 100.0
HOT_C, COOL_C = 74.0, 45.0


def plan_for(folder: Path) -> Plan:
    """Three rounds of the tiny transformer, all its layers, on one device."""
    setup = Setup(
        system="caff",
        method="drop-weak",
        task="labels",
        fleet=str(FLEET),
        devices=1,
        options={
            "model": "source-4:random",
            "steps": STEPS,
            "batch": BATCH,
            "optimiser": "sgd",
            "learning_rate": 0.05,
        },
    )
    plan = Plan(
        setup=setup,
        engine="deployment",
        rounds=3,
        out=str(folder),
        timeout_s=TIMEOUT_S,
        run="c0ffee",
    )
    begin(plan)
    return plan


class Run:
    """The federation's side: a server and one governed SuperNode, and how far they are."""

    def __init__(self, parties: Parties, plan: Plan, keys: Keys) -> None:
        self.parties, self.plan, self.keys = parties, plan, keys
        self.progress = plan.folder / PROGRESS
        self.federation = self._started()
        self.run_id = start_run(plan, self.progress, parties.environment)

    def _started(self) -> Federation:
        parties = self.parties
        federation = Federation(
            keys=self.keys,
            folder=parties.folder,
            environment=parties.environment,
            programs=parties.programs,
        )
        federation.start_server()
        register_keys(self.keys, [DEVICE], parties.environment)
        federation.start_node(
            DEVICE,
            self.plan.folder / MEMORY,
            governed={
                GOVERNED: str(parties.capability),
                SOCKET: str(parties.socket),
                KEPT: str(parties.folder / "governed" / DEVICE),
            },
        )
        return federation

    @property
    def server(self) -> Program:
        """The SuperLink."""
        return next(p for p in self.parties.programs if p.name == "superlink")

    @property
    def node(self) -> Program:
        """The SuperNode."""
        return self.federation.nodes[DEVICE]

    def rounds(self) -> int:
        """How many rounds were told of."""
        return sum(isinstance(event, Round) for event in Listener(self.progress).news())

    def wait_for_round(self, number: int) -> None:
        """Until a round is over, with or without the device."""
        wait_until(
            lambda: self.rounds() >= number,
            within_s=2 * TIMEOUT_S,
            what=f"round {number}",
            of=[self.server],
        )

    def to_the_end(self) -> None:
        """Until the server says that all rounds are played."""
        follow(self.run_id, self.progress, lambda event: None, self.parties.environment, [])


@contextmanager
def everybody(folder: Path) -> Iterator[Parties]:
    """The practice board with its daemon and two foreground processes."""
    with stopped_at_the_end() as programs:
        parties = Parties(folder, programs, enforcement="affinity")
        parties.start_daemon()
        parties.start_foreground("video", 30.0)
        parties.start_foreground("audio", 20.0)
        parties.wait_for(
            lambda: {"video", "audio"} == {app.name for app in parties.status().applications},
            "both applications are managed",
        )
        yield parties


@pytest.mark.slow
def test_a_real_run_comes_through_the_death_of_each_party(tmp_path: Path) -> None:
    """Grants change while it trains, it pauses and loses no step, and nobody needs anybody else."""
    plan = plan_for(tmp_path / "run")
    keys = make_keys(tmp_path / "keys", [DEVICE])
    with everybody(tmp_path) as parties:
        run = Run(parties, plan, keys)

        # round 1: grants, a pause for the heat, and the death of a foreground process
        first = parties.wait_for_event("grant", 0, "the first grant")
        assert 0 < first["number"]
        heat_until_paused(parties)
        cool_until_trained(parties)
        kill_foreground(parties)
        run.wait_for_round(1)

        # round 2: the daemon dies and comes back, then the training process dies
        seen = len(parties.events())
        parties.wait_for_event("grant", seen, "a grant in round 2")
        kill_daemon(parties)
        kill_trainer(parties)
        run.wait_for_round(2)

        # round 3: it pauses, and then its SuperNode and the server die
        seen = len(parties.events())
        parties.wait_for_event("grant", seen, "a grant in round 3")
        kept = heat_until_paused(parties)
        parties.kill(run.node)
        parties.wait_for(lambda: not parties.status().training, "its job has ended")
        parties.kill(run.server)
        parties.heat(COOL_C)
        run.progress.unlink()
        again = Run(parties, plan, keys)
        again.to_the_end()
        check_events(parties.events(), kept)
        check_decisions(parties.decisions())
    results = read_results(plan.folder)
    assert 3 == results.record.rounds
    assert {(DEVICE, 2)} == {(failure.device, failure.round) for failure in results.failures}


def heat_until_paused(parties: Parties) -> dict[str, Any]:
    """The temperature limit takes the cores back; the training keeps itself before it pauses."""
    parties.heat(HOT_C)
    parties.wait_for(lambda: parties.temp_c() > LIMIT_C + 1.0, "heat")
    parties.wait_for(
        lambda: [job.state for job in parties.status().training or ()] == ["paused"],
        "the daemon knows that it has paused",
    )
    return [event for event in parties.events() if event["event"] == "kept"][-1]


def cool_until_trained(parties: Parties) -> None:
    """When it is cooler there are cores again."""
    seen = len(parties.events())
    parties.heat(COOL_C)
    parties.wait_for_event("goes on", seen, "training goes on")


def kill_foreground(parties: Parties) -> None:
    """Kill -9 of one of the two: the other one and the training stay."""
    video = next(program for program in parties.programs if program.name == "video")
    parties.kill(video)
    parties.wait_for(
        lambda: ["audio"] == [app.name for app in parties.status().applications],
        "the daemon has let go of the dead process",
    )
    assert parties.trainer() is not None


def kill_daemon(parties: Parties) -> None:
    """Kill -9 of the daemon: training goes on by its last grant; a new one learns how far."""
    trainer = parties.trainer()
    assert trainer is not None
    parties.wait_for(lambda: done(parties) > 0, "progress is told")
    before = done(parties)
    parties.kill(next(program for program in parties.programs if program.name == "daemon"))
    cpu_s = sum(trainer.cpu_times()[:2])
    wait_until(
        lambda: sum(trainer.cpu_times()[:2]) > cpu_s + 1.0,
        within_s=START_S,
        what="it trains without a daemon",
        of=[],
    )
    parties.start_daemon("daemon-again")
    parties.wait_for(
        lambda: [job.state for job in parties.status().training or ()] == ["granted"],
        "a grant of the new daemon",
    )
    assert parties.trainer() == trainer
    assert done(parties) > before, "what was done meanwhile counts"


def kill_trainer(parties: Parties) -> None:
    """Kill -9 of the process that trains: its grant ends with it."""
    trainer = parties.trainer()
    assert trainer is not None
    assert any("clientapp" in word for word in trainer.cmdline())
    trainer.kill()
    parties.wait_for(lambda: not parties.status().training, "its job has ended")


def done(parties: Parties) -> float:
    """Reference samples that the daemon knows of."""
    return sum(job.round.done for job in parties.status().training or () if job.round)


def check_events(events: list[dict[str, Any]], kept: dict[str, Any]) -> None:
    """What the training itself has written down, in the three processes that did its rounds."""
    by_process: dict[int, list[dict[str, Any]]] = {}
    for event in events:
        by_process.setdefault(event["pid"], []).append(event)
    changed = [
        (
            len({event["knobs"]["batch"] for event in of_one if event["event"] == "grant"}),
            len({tuple(event["cores"]) for event in of_one if event["event"] == "grant"}),
        )
        for of_one in by_process.values()
    ]
    assert any(batches > 1 and cores > 1 for batches, cores in changed), changed
    for of_one in by_process.values():
        steps = [event["steps"] for event in of_one]
        assert sorted(steps) == steps
        kept_at = None
        for event in of_one:
            if event["event"] in ("kept", "taken up"):
                kept_at = event["steps"]
            elif event["event"] == "goes on":
                assert kept_at == event["steps"]
                assert event["paused_s"] > 0
    taken_up = [event for event in events if event["event"] == "taken up"]
    assert [(kept["steps"], kept["samples"])] == [(e["steps"], e["samples"]) for e in taken_up]
    assert kept["pid"] != taken_up[0]["pid"]
    over = [event["share"] for event in events if event["event"] == "round over"]
    assert 2 == len(over), "rounds 1 and 3"
    assert all(0 < share <= 1 for share in over), "a busy machine may reach its deadline before"


def check_decisions(decisions: list[dict[str, Any]]) -> None:
    """What the daemons have written down: grants of cores that no application had."""
    granted = [d for d in decisions if any(grant["cores"] for grant in d["grants"])]
    assert granted
    for decision in granted:
        taken = {core for grant in decision["grants"] for core in grant["cores"]}
        assert taken <= set(range(8))
    assert any("the guard allows" in (d["grants_reason"] or "") for d in decisions)
