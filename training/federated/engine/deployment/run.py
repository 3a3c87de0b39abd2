"""A run between SuperLink and SuperNodes: on this machine, or with a SuperLink that is up."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from platforms.errors import InvalidInput
from training.federated.engine.deployment import lines
from training.federated.engine.deployment.app import write_app
from training.federated.engine.deployment.environment import flower_environment
from training.federated.engine.deployment.federation import START_S, Federation, connect
from training.federated.engine.deployment.keys import check_device, existing_keys, make_keys
from training.federated.engine.deployment.processes import (
    DeploymentFailed,
    Program,
    done,
    stopped_at_the_end,
)
from training.federated.engine.progress import Ended, Event, Listener
from training.federated.fleet import load_fleet
from training.federated.running import MEMORY, Plan

_POLL_S = 0.1
_ASK_AFTER_S = 30.0
"""Without news for so long, Flower is asked whether the run goes on."""


def deploy(
    plan: Plan,
    progress: Path,
    tell: Callable[[Event], None],
    *,
    keys: Path | None,
    superlink: str | None,
) -> None:
    """Carry a plan out; ends when the ServerApp says so, or fails.

    The ServerApp writes to the run's folder: a SuperLink that is up must be on this machine.
    """
    environment = flower_environment(plan.folder / "flower")
    with sigterm_as_ctrl_c():
        if superlink is None:
            with local_federation(plan, environment, keys) as federation:
                run_id = start_run(plan, progress, environment)
                follow(run_id, progress, tell, environment, federation.programs[:1])
            return
        if keys is None:
            raise InvalidInput("--superlink needs --keys: the folder with the SuperLink's ca.pem")
        connect(existing_keys(keys), environment, superlink)
        run_id = start_run(plan, progress, environment)
        try:
            follow(run_id, progress, tell, environment, [])
        except BaseException:
            with suppress(DeploymentFailed):
                done(lines.stop_run(run_id), environment, within_s=START_S)
            raise


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """What `kill` sends leaves the block as Ctrl-C does, so that nothing goes on elsewhere."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def local_federation(
    plan: Plan, environment: Mapping[str, str], keys: Path | None
) -> Iterator[Federation]:
    """A SuperLink and a SuperNode for every device of the fleet, as processes of this machine."""
    devices = [device.name for device in load_fleet(plan.setup.fleet, plan.setup.devices).devices]
    for device in devices:
        check_device(device)
    found = existing_keys(keys) if keys else make_keys(plan.folder / "keys", devices)
    if missing := [device for device in devices if not found.private(device).exists()]:
        raise InvalidInput(f"{found.folder} must have keys for all devices (none for {missing})")
    logs = plan.folder / "logs"
    logs.mkdir(exist_ok=True)
    with stopped_at_the_end() as programs:
        federation = Federation(keys=found, folder=logs, environment=environment, programs=programs)
        federation.start_server()
        federation.start_nodes(devices, plan.folder / MEMORY)
        yield federation


def start_run(plan: Plan, progress: Path, environment: Mapping[str, str]) -> str:
    """Hand the run to the SuperLink, which starts its ServerApp; gives its id."""
    app = write_app(plan.folder / "app", run_configuration(plan, progress))
    said = _json(done(lines.start_run(app), environment, within_s=START_S))
    if "run-id" not in said:
        raise DeploymentFailed(f"Flower must start the run (it said {said})")
    return str(said["run-id"])


def follow(
    run_id: str,
    progress: Path,
    tell: Callable[[Event], None],
    environment: Mapping[str, str],
    needed: list[Program],
) -> None:
    """Hear what a run tells until it has ended; DeploymentFailed if it does not end well.

    InvalidInput if it ends with a mistake of the user's.
    """
    listener, heard_at, over = Listener(progress), time.monotonic(), ""
    while True:
        for event in listener.news():
            heard_at = time.monotonic()
            tell(event)
            if isinstance(event, Ended):
                _check_end(event)
                return
        if over:
            raise DeploymentFailed(over)
        for program in needed:
            if not program.runs():
                raise DeploymentFailed(f"{program.name} ended:\n{program.last_lines()}")
        if time.monotonic() - heard_at > _ASK_AFTER_S:
            heard_at = time.monotonic()
            over = _how_it_ended(run_id, environment)
            continue
        time.sleep(_POLL_S)


def run_configuration(plan: Plan, progress: Path) -> dict[str, str | bool]:
    """What the apps are told; the devices keep their memories where they were told to."""
    return {
        "plan": msgspec.json.encode(plan).decode(),
        "setup": msgspec.json.encode(plan.setup).decode(),
        "progress": str(progress.resolve()),
        "clip": plan.privacy is not None and plan.privacy.side == "client",
        "secure": plan.secure,
        "run": plan.run,
    }


def _check_end(event: Ended) -> None:
    """InvalidInput for a mistake of the user's, DeploymentFailed for any other error."""
    if event.mistake:
        raise InvalidInput(event.error)
    if event.error:
        raise DeploymentFailed(f"the run ended with {event.error}\n{event.trace}".rstrip())


def _how_it_ended(run_id: str, environment: Mapping[str, str]) -> str:
    """How, if Flower says that the run is over; "" while it goes on.

    Its last words may have come while Flower was asked.
    """
    runs = _json(done(lines.show_run(run_id), environment, within_s=START_S)).get("runs")
    for run in runs or ():
        if str(run["status"]).startswith("finished"):
            return (
                f"Flower ended the run: {run['status']}, {run['status-details']}; "
                "see the SuperLink's log"
            )
    return ""


def _json(said: str) -> dict[str, Any]:
    """The object in what one of Flower's commands said; DeploymentFailed where there is none."""
    try:
        found: dict[str, Any] = json.loads(said[said.index("{") : said.rindex("}") + 1])
    except ValueError as error:
        raise DeploymentFailed(f"Flower's command must say JSON (got {said.strip()!r})") from error
    return found
