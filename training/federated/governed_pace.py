"""The device's part of a federated system under the daemon's grants, whatever the system.

Who trains by `local.train_steps` is governed within `paced_by(device.pace)`.
"""

import hashlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rm.client import DEFAULT_SOCKET
from training.federated.depth_knob import depth_knob
from training.federated.governed import Governed
from training.federated.systems.joint_batch_frequency.rates import Rule

LEAST_SHARE = 0.1
"""A round of which less can be done by its deadline is declined at once."""


@dataclass
class GovernedDevice:
    """What the trainings of one order have in common.

    `folder` keeps what is interrupted, `ends_s` is the order's deadline on the monotonic clock.
    `said` is what the server is told of the training, as numbers.
    """

    capability: Path
    folder: Path
    ends_s: float
    name: str = "flower"
    socket: str = DEFAULT_SOCKET
    rule: Rule = "sqrt"
    said: dict[str, float] = field(default_factory=dict)

    def pace(self) -> "GovernedPace":
        """For one training."""
        return GovernedPace(self)


class GovernedPace:
    """See Pace."""

    def __init__(self, device: GovernedDevice) -> None:
        self.loss_sum, self.steps, self.samples = 0.0, 0, 0
        self._device = device
        self._job: Governed | None = None

    def batches(
        self, model: Any, stepper: Any, count: int, *, batch: int, steps: int, seed: int
    ) -> Iterator[NDArray[Any]]:
        """As many reference samples as the ordered steps are worth, in batches as granted.

        The round ends with its deadline, done or not: what is done is worth more than nothing.
        Raises CannotMeet where that would be next to nothing.
        """
        device = self._device
        path = device.folder / f"{_key(model, count, batch, steps, seed)}.pt"
        device.folder.mkdir(parents=True, exist_ok=True)
        self._job = job = Governed(
            device.capability,
            model,
            stepper,
            checkpoint=path,
            rule=device.rule,
            rate_batch=batch,
            knobs=_knobs(model),
            events=device.folder / "events.jsonl",
            least_share=LEAST_SHARE,
            until_deadline=True,
            name=device.name,
            socket_path=device.socket,
        )
        with job:
            samples = steps * batch * job.worth_of_batch(batch)
            left_s = max(device.ends_s - time.monotonic(), 0.001)
            yield from job.batches(count, samples=samples, deadline_s=left_s, seed=seed)
            self._count(job)
            device.said |= said_of(job)
        path.unlink(missing_ok=True)

    def step(self, loss: float, samples: int) -> None:
        """See Pace; the job counts, what was done before it was interrupted too."""
        del samples
        assert self._job is not None
        self._job.step(loss)
        self._count(self._job)

    def _count(self, job: Governed) -> None:
        place = job.progress
        self.loss_sum, self.steps, self.samples = place.loss_sum, place.steps, place.samples


def said_of(job: Governed) -> dict[str, float]:
    """What the server is told: what was done, and what was expected at the beginning."""
    outlook = job.first_outlook
    numbers = {
        "ilgov_meets": float(outlook.meets),
        "ilgov_share_done": job.last_share,
        "ilgov_steps": float(job.progress.steps),
    }
    for name in ("finish_s", "samples_possible"):
        value = getattr(outlook, name)
        if value is not None and math.isfinite(value):
            numbers[f"ilgov_{name}"] = float(value)
    return numbers


def _knobs(model: Any) -> dict[str, Any]:
    try:
        return {"depth": depth_knob(model)}
    except KeyError:  # no BERT: its batch alone can be set
        return {}


def _key(model: Any, count: int, batch: int, steps: int, seed: int) -> str:
    """What tells one training from all others: what it begins with, and what is ordered."""
    digest = hashlib.sha256(f"{count} {batch} {steps} {seed}\n".encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
