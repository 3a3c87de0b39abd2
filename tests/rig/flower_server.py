"""The server's side of the rig's federation: rounds on one device; it loads no PyTorch.

What it has is kept after each round, so that a server that is started again goes on there. A round
that nobody answers is ordered again.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.serverapp import Grid, ServerApp

from platforms.atomic_file import replacing
from training.federated.engine.deployment.processes import end_with_parent

KEPT, TOLD = "server.npz", "server.jsonl"
_POLL_S = 0.5
_ROUND = "round"

app = ServerApp()
"""What the SuperLink runs."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Play the rounds that the run's configuration asks for."""
    end_with_parent()
    told = {name: str(value) for name, value in context.run_config.items()}
    folder, rounds = Path(told["folder"]), int(told["rounds"])
    arrays, done = _take_up(folder)
    _tell(folder, "begins", done=done)
    while done < rounds:
        order = _order(arrays, done, told)
        reply = _ask(grid, order, float(told["timeout_s"]))
        if reply is None or not reply.has_content():
            why = "no answer" if reply is None else reply.error.reason
            _tell(folder, "failed", round=done, why=str(why))
            continue
        arrays = {n: a.numpy() for n, a in reply.content.array_records["arrays"].items()}
        done += 1
        _keep(folder, arrays, done)
        metrics = dict(reply.content.metric_records["metrics"])
        _tell(folder, "round", done=done, metrics=metrics)
    _tell(folder, "ends", done=done)


def _order(arrays: dict[str, Any], done: int, told: dict[str, str]) -> RecordDict:
    """What the device is told; without arrays it begins with its own, which are always the same."""
    numbers = ConfigRecord({"steps": int(told["steps"]), "batch": int(told["batch"])})
    numbers[_ROUND] = done
    records = RecordDict({"told": numbers})
    if arrays:
        records["arrays"] = ArrayRecord({name: Array(value) for name, value in arrays.items()})
    return records


def _ask(grid: Grid, order: RecordDict, timeout_s: float) -> Message | None:
    """The device's answer, once it is connected."""
    while not (nodes := list(grid.get_node_ids())):
        time.sleep(_POLL_S)
    message = Message(order, dst_node_id=nodes[0], message_type="train", ttl=timeout_s)
    return next(iter(grid.send_and_receive([message], timeout=timeout_s)), None)


def _take_up(folder: Path) -> tuple[dict[str, Any], int]:
    if not (folder / KEPT).exists():
        return {}, 0
    with np.load(folder / KEPT) as kept:
        arrays = {name: kept[name] for name in kept.files}
    return arrays, int(arrays.pop(_ROUND))


def _keep(folder: Path, arrays: dict[str, Any], done: int) -> None:
    with replacing(folder / KEPT) as building, building.open("wb") as file:
        content: dict[str, Any] = {**arrays, _ROUND: np.array(done)}
        np.savez(file, **content)


def _tell(folder: Path, event: str, **more: object) -> None:
    with (folder / TOLD).open("a") as file:
        file.write(json.dumps({"time_s": time.time(), "event": event, **more}) + "\n")
