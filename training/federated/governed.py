"""A PyTorch training loop under the ilgov daemon's grants.

    with Governed("capability.json", model, optimiser, checkpoint="model.pt") as job:
        for rows in job.batches(len(x), samples=20_000, deadline_s=60.0):
            optimiser.zero_grad()
            loss = cross_entropy(model(x[rows]), y[rows])
            loss.backward()
            optimiser.step()
            job.step(loss.item())

Between two steps the batch, the number of threads and the learning rate may become others, as the
daemon grants them; where it takes the cores back the training is kept and waits. A process that was
killed goes on from what was kept. Without a daemon the loop runs by the capability's first setting.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import torch
from numpy.typing import NDArray

from platforms.errors import InvalidInput
from rm.planner.capability import Capability
from rm.training_client import Grant, Outlook, Trainer
from training.federated.dice import seed_for
from training.federated.kept_training import Progress, keep, take_up
from training.federated.row_stream import RowStream
from training.federated.systems.joint_batch_frequency.rates import Rule, learning_rate

SAVE_EVERY_S = 60.0
"""A training that nobody interrupts is kept so often all the same."""

_DECISION_S = 1.0
"""A round whose first grant takes longer had to wait for more than a decision."""

Knob = Callable[[float], object]
"""Sets a knob of the training to a value."""

_log = logging.getLogger("ilgov.training")


class CannotMeet(Exception):
    """The daemon expects that too little of a round could be done by its deadline; it says why."""


class Governed:
    """One training job. `progress` says how far it is, `outlook` what the daemon expects.

    `round`, `batch` and `grant` are the present ones. `first_outlook` is what was expected when the
    round began, `last_share` how much of the round before it was done, 0 to 1.
    """

    def __init__(
        self,
        capability: Mapping[str, Any] | str | os.PathLike[str],
        model: Any,
        optimiser: Any,
        *,
        checkpoint: str | os.PathLike[str],
        seed: int = 0,
        rule: Rule = "sqrt",
        rate_batch: int | None = None,
        knobs: Mapping[str, Knob] | None = None,
        events: Path | None = None,
        save_every_s: float = SAVE_EVERY_S,
        least_share: float = 0.0,
        until_deadline: bool = False,
        **client: Any,
    ) -> None:
        """`model` and `optimiser` are kept in the file `checkpoint`, and taken up from there.

        The optimiser's learning rate is for batches of `rate_batch` (None: the first setting's) and
        follows the batch by `rule`: "constant", "sqrt" or "linear". `knobs` set what beside the
        batch a capability may name. What happens is told in `events`, a line of JSON each. A round
        of which less than `least_share` could be done raises CannotMeet at its beginning; with
        `until_deadline` a round ends with its deadline, done or not. `client` goes to
        `rm.training_client.Trainer`: socket_path, name, limits, pid ...
        """
        self._capability = read_capability(capability)
        self.model, self.optimiser = model, optimiser
        self._path = Path(checkpoint)
        self._seed, self._rule, self._rate_batch = seed, rule, rate_batch
        self._knobs = dict(knobs or {})
        self._events = events
        if events is not None:
            events.parent.mkdir(parents=True, exist_ok=True)
        self._save_every_s, self._least_share = save_every_s, least_share
        self._until_deadline = until_deadline
        self._rates = [float(group["lr"]) for group in optimiser.param_groups]
        self.progress = Progress()
        self.batch = self._batch_of(0)
        self._ends_s = float("inf")
        self._rows = 0
        self._saved_s = time.monotonic()
        self._trainer = Trainer(
            msgspec.to_builtins(self._capability), checkpoint=self.save, **client
        )
        self._applied: Grant | None = None
        self.first_outlook = Outlook()
        self.last_share = 0.0

    def __enter__(self) -> "Governed":
        found = take_up(self._path, self.model, self.optimiser)
        if found is not None:
            self.progress = found
            self._tell("taken up")
        self._trainer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._trainer.close()

    @property
    def round(self) -> int:
        """How many rounds are over."""
        return self.progress.round

    @property
    def outlook(self) -> Outlook:
        """What the daemon expects of the round."""
        return self._trainer.outlook

    @property
    def grant(self) -> Grant:
        """What the training may use."""
        return self._trainer.grant

    def worth_of_batch(self, batch: int) -> float:
        """How many reference samples one sample in batches of this size is, all else as there."""
        curve = self._capability.curve
        return self._capability.samples_to_goal(0) / (curve.to_goal(batch) if curve else 1.0)

    def batches(
        self,
        count: int,
        *,
        samples: float,
        deadline_s: float,
        seed: int | None = None,
    ) -> Iterator[NDArray[Any]]:
        """A round: rows of `count` examples for each step, until `samples` are done.

        `samples` are reference samples, those of the capability's first setting: with another one
        more or fewer of them are as much progress. `step` must be called once for each.
        """
        place = self.progress
        self._begin(samples, deadline_s)
        drawn_by = seed_for(self._seed, "round", place.round) if seed is None else seed
        stream = RowStream(count, seed=drawn_by, taken=place.taken)
        grant = self._trainer.wait()
        if grant.paused_s >= _DECISION_S:
            self._tell("goes on", paused_s=round(grant.paused_s, 3))
        self._apply(grant)
        while place.done < samples and not self._is_over():
            rows = stream.take(self.batch)
            self._rows = len(rows)
            yield rows
            if self._rows:
                raise RuntimeError("step must be called after each batch (it was not)")
        self.last_share = min(1.0, place.done / samples)
        self._tell("round over", share=round(self.last_share, 4))
        place.round, place.done, place.taken = place.round + 1, 0.0, 0
        self.save()

    def step(self, loss: float) -> None:
        """A batch is done; returns at once, or when the training may go on."""
        if not self._rows:
            raise RuntimeError("step must be called once for each batch (it was called again)")
        size, self._rows = self._rows, 0
        place = self.progress
        place.done += size * self._worth(self.grant.setting)
        place.taken += size
        place.steps, place.samples = place.steps + 1, place.samples + size
        place.loss_sum += loss
        grant = self._trainer.step(samples=size, loss=loss)
        if grant.paused_s:
            self._tell("goes on", paused_s=round(grant.paused_s, 3))
        self._apply(grant)
        if time.monotonic() - self._saved_s >= self._save_every_s:
            self.save()

    def save(self) -> None:
        """Keep the training as it is after the last step."""
        keep(self._path, self.model, self.optimiser, self.progress)
        self._saved_s = time.monotonic()
        self._tell("kept")

    # --- inside ---------------------------------------------------------------------------------

    def _begin(self, samples: float, deadline_s: float) -> None:
        self._ends_s = time.monotonic() + deadline_s
        left = samples - self.progress.done
        if left <= 0:
            return
        self.first_outlook = outlook = self._trainer.begin_round(
            samples=left, deadline_s=deadline_s, number=self.progress.round
        )
        self._tell("round", ordered=samples, deadline_s=deadline_s, **outlook._asdict())
        possible = outlook.samples_possible
        if not outlook.meets and possible is not None and possible < self._least_share * left:
            raise CannotMeet(
                f"{possible:.0f} of {left:.0f} samples by the deadline at most: {outlook.reason}"
            )

    def _is_over(self) -> bool:
        return self._until_deadline and time.monotonic() >= self._ends_s

    def _apply(self, grant: Grant) -> None:
        """Set what a grant says; only what changes is told."""
        if self._applied is not None and grant[1:5] == self._applied[1:5]:
            return
        self._applied = grant
        self.batch = int(grant.knobs["batch"])
        torch.set_num_threads(max(1, len(grant.cores)))
        meant_for = self._rate_batch or self._batch_of(0)
        ratio = learning_rate(self._rule, 1.0, self.batch) / learning_rate(
            self._rule, 1.0, meant_for
        )
        for group, rate in zip(self.optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * ratio
        for name, value in grant.knobs.items():
            if name in self._knobs:
                self._knobs[name](value)
        self._tell("grant", number=grant.number, knobs=dict(grant.knobs), cores=grant.cores)

    def _batch_of(self, setting: int) -> int:
        return int(self._capability.settings[setting].knobs["batch"])

    def _worth(self, setting: int) -> float:
        """How many reference samples one sample of a setting is."""
        known = self._capability
        return known.samples_to_goal(0) / known.samples_to_goal(setting)

    def _tell(self, event: str, **more: Any) -> None:
        place = self.progress
        said = {"event": event, "steps": place.steps, "samples": place.samples, **more}
        _log.info("%s", said)
        if self._events is not None:
            line = json.dumps({"time_s": time.time(), "pid": os.getpid(), **said})
            with self._events.open("a") as file:
                file.write(f"{line}\n")


def read_capability(given: Mapping[str, Any] | str | os.PathLike[str]) -> Capability:
    """A capability as it was given, or from a file. InvalidInput where it is none."""
    try:
        if isinstance(given, Mapping):
            return msgspec.convert(given, Capability)
        return msgspec.json.decode(Path(given).read_bytes(), type=Capability)
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidInput(
            f"capability must be what 'ilgov federated profile' wrote ({error})"
        ) from error
