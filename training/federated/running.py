"""A run from its plan to its results, whichever engine carries it; it can be taken up again."""

import contextlib
import fcntl
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec
from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.checkpoint import Checkpoint, Memories, latest, save
from training.federated.engine.inprocess import Failure, InProcess
from training.federated.exchange import Exchange
from training.federated.fleet import load_fleet
from training.federated.privacy import Privacy
from training.federated.registry import find_system
from training.federated.rounds import Record, run_rounds, start
from training.federated.system import Played, Setup

Engine = Literal["inprocess", "simulation", "deployment"]
PLAN, RESULTS, PROGRESS = "plan.json", "results.json", "progress.jsonl"
CHECKPOINTS, MEMORY, LOCK = "checkpoints", "memory", ".lock"
COMMAND_LOCK = ".command.lock"
"""Held by the command that follows a deployment, whose rounds another process plays."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is to be run, and where it writes (`out`).

    `timeout_s` bounds each exchange, `wait_s` the wait for devices before the first. `run` is by
    what boards tell one run from another.
    """

    setup: Setup
    engine: Engine
    rounds: int
    out: str
    timeout_s: float = 600.0
    wait_s: float = 120.0
    privacy: Privacy | None = None
    secure: bool = False
    run: str = ""

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(self.out)


class Results(Struct, frozen=True, kw_only=True):
    """What came of a run; `privacy` says what was spent, where that was asked for."""

    plan: Plan
    record: Record
    failures: tuple[Failure, ...]
    privacy: dict[str, Any] = {}


class Carrier(Exchange, Protocol):
    """An exchange that knows the round, and can be taken up again."""

    round: int
    failures: list[Failure]

    def memories(self) -> Memories:
        """What devices remember, where this engine keeps it for them."""
        ...

    def extra(self) -> dict[str, Any]:
        """What it needs itself to go on (JSON)."""
        ...

    def restore(self, memories: Memories, extra: dict[str, Any]) -> None:
        """Go on from there."""
        ...


class BudgetSpent(Exception):
    """A carrier goes no further: what privacy allows is spent. What was played counts."""


OnRound = Callable[[Record, Played, Sequence[Failure]], None]


def begin(plan: Plan) -> None:
    """Make the run's folder; InvalidInput where it holds a run already."""
    if (plan.folder / PLAN).exists():
        raise InvalidInput(f"{plan.out} holds a run; go on with it by --resume, or name another")
    plan.folder.mkdir(parents=True, exist_ok=True)
    write_plan(plan)


def write_plan(plan: Plan) -> None:
    """Write down what the run is from now on."""
    write_whole(plan.folder / PLAN, msgspec.json.format(msgspec.json.encode(plan)))


def begun(folder: Path) -> Plan:
    """The plan of a run that is to be resumed; InvalidInput where there is none, or no plan."""
    path = folder / PLAN
    if not path.exists():
        raise InvalidInput(f"{folder} holds no run that could be resumed (no {PLAN})")
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except msgspec.MsgspecError as error:
        raise InvalidInput(
            f"{path} must be the plan of a run ({error}); name another folder by --out"
        ) from error


def carry_out(plan: Plan, carrier: Carrier, on_round: OnRound = lambda *_: None) -> Results:
    """Play all rounds that are not played yet, with a checkpoint after each.

    InvalidInput where another process plays this run.
    """
    with alone(plan.folder):
        return _carried_out(plan, carrier, on_round)


def _carried_out(plan: Plan, carrier: Carrier, on_round: OnRound) -> Results:
    setup = plan.setup
    server = find_system(setup.system).server(setup)
    folder = plan.folder / CHECKPOINTS
    last = latest(folder)
    failures: list[Failure] = []
    if last is not None:
        server.restore(last.state)
        carrier.restore(last.memories, {**last.extra})
        failures = msgspec.convert(last.extra["failures"], list[Failure])
    carrier.round = last.record.rounds + 1 if last else 1
    so_far = last.record if last else start(server)

    def after_round(record: Record, played: Played) -> None:
        nonlocal so_far
        so_far = record
        failed, carrier.failures = carrier.failures, []
        failures.extend(failed)
        extra = {**carrier.extra(), "failures": msgspec.to_builtins(failures)}
        checkpoint = Checkpoint(
            record=record, state=server.state(), memories=carrier.memories(), extra=extra
        )
        save(folder, checkpoint)
        carrier.round = record.rounds + 1
        on_round(record, played, failed)

    with contextlib.suppress(BudgetSpent):
        run_rounds(
            server,
            carrier,
            load_fleet(setup.fleet, setup.devices),
            rounds=plan.rounds,
            seed=setup.seed,
            before=so_far,
            on_round=after_round,
        )
    results = Results(
        plan=plan,
        record=so_far,
        failures=tuple(failures),
        privacy=carrier.extra().get("privacy", {}),
    )
    write_whole(plan.folder / RESULTS, msgspec.json.format(msgspec.json.encode(results)))
    return results


@contextlib.contextmanager
def alone(folder: Path, lock: str = LOCK) -> Iterator[None]:
    """Nobody else plays the run in this folder meanwhile; ends with the process at the latest."""
    with (folder / lock).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InvalidInput(f"{folder} is being played by another process; stop that") from error
        yield


class InProcessCarrier(InProcess):
    """The engine in this process as a carrier: it keeps the devices' memories."""

    def memories(self) -> Memories:
        """See Carrier."""
        return self.memory

    def extra(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def restore(self, memories: Memories, extra: dict[str, Any]) -> None:
        """See Carrier."""
        del extra
        self.memory = {device: dict(memory) for device, memory in memories.items()}


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there."""
    building = path.with_name(f".{path.name}.building")
    try:
        building.write_bytes(content)
        building.replace(path)
    finally:
        building.unlink(missing_ok=True)


def read_results(folder: Path) -> Results:
    """What a run wrote."""
    return msgspec.json.decode((folder / RESULTS).read_bytes(), type=Results)


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Options from "key=value" with values in JSON, or text where that is none.

    >>> parse_options(["steps=3", "rule=linear", "ranks=[1,2]"])
    {'steps': 3, 'rule': 'linear', 'ranks': [1, 2]}
    """
    return dict(_option(pair) for pair in pairs)


def _option(pair: str) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise InvalidInput(f"options must be KEY=VALUE (got {pair})")
    try:
        return key, json.loads(text)
    except json.JSONDecodeError:
        return key, text
