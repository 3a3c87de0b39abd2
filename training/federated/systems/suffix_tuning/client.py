"""A device's part: put what the server sent into the model, train its suffix, send that back."""

from typing import Any

from numpy.typing import NDArray

from training.federated.dice import seed_for
from training.federated.exchange import Order, Reply
from training.federated.fleet import load_fleet
from training.federated.local import train_steps
from training.federated.suffix import arrays_of
from training.federated.system import Setup
from training.federated.systems.suffix_tuning.models import fill, prepared, pretrained
from training.federated.systems.suffix_tuning.told import Told
from training.federated.tasks.load import load_task


class SuffixClient:
    """A device that trains whatever suffix it is told to; it remembers nothing."""

    def __init__(self, setup: Setup, device: str) -> None:
        """A device by its name in the setup's fleet."""
        task = load_task(setup)
        index = load_fleet(setup.fleet, setup.devices).index(device)
        self._examples, self._classes = task.parts[index], task.classes
        self._setup, self._device = setup, device

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """Train, and send what was trained; the weight is the number of the device's examples."""
        del memory
        told = Told.from_settings(order.settings)
        whose = (told.model, self._setup.models, self._classes, self._setup.seed)
        model = prepared(*whose, told.suffix)
        fill(model, pretrained(*whose), order.arrays)
        trained = train_steps(
            model,
            self._examples,
            steps=told.steps,
            batch=told.batch,
            learning_rate=told.learning_rate,
            optimiser=told.optimiser,
            seed=seed_for(self._setup.seed, "train", self._device, told.round),
        )
        return Reply(
            arrays=arrays_of(model, told.suffix),
            metrics={"samples": float(len(self._examples)), "loss": trained.loss},
        )
