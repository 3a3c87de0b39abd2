"""What is trained while it is measured: one step of a network, or of the user's own loop.

A worker is made from knobs and gives a function that does one step. For the user's own it is named
``module:function``; that function takes the knobs by name and returns such a step.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from platforms.errors import InvalidInput
from training.federated.profile.networks import NETWORKS, Network, suffix_of

Step = Callable[[], Any]
"""Does one training step."""


def find_worker(name: str) -> Callable[..., Step]:
    """The maker of steps of a network's name, or of ``module:function``.

    InvalidInput where there is none, or where the network can only be modelled.
    """
    if ":" in name:
        return _own(name)
    if name not in NETWORKS or NETWORKS[name].shape is None:
        known = ", ".join(found.name for found in NETWORKS.values() if found.shape)
        raise InvalidInput(
            f"--model must be one of {known} to be measured, or --step MODULE:FUNCTION (got {name})"
        )
    network = NETWORKS[name]
    return lambda batch, depth: transformer_step(network, int(batch), int(depth))


def transformer_step(network: Network, batch: int, depth: int) -> Step:
    """A step of SGD on random texts."""
    import torch
    from torch.nn.functional import cross_entropy

    from training.federated.dice import dice
    from training.federated.local import logits
    from training.federated.models.build import build, config
    from training.federated.models.weights import drawn
    from training.federated.suffix import prepare

    shape = network.shape
    assert shape is not None
    threads = torch.get_num_threads()
    model = prepare(build(config(shape), drawn(shape, 0)), suffix_of(shape, depth))
    torch.set_num_threads(threads)  # `build` computes with one
    rng = dice(0, "profile")
    x = torch.from_numpy(rng.integers(1, shape.vocabulary, (batch, network.tokens)))
    y = torch.from_numpy(rng.integers(0, shape.classes, batch))
    stepper = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    model.train()

    def step() -> None:
        stepper.zero_grad()
        cross_entropy(logits(model, x), y).backward()  # type: ignore[no-untyped-call]
        stepper.step()

    return step


def _own(name: str) -> Callable[..., Step]:
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InvalidInput(
            f"--step must be MODULE:FUNCTION that can be imported ({error})"
        ) from error
    made: Callable[..., Step] = found
    return made


def steps_of(make: Callable[..., Step], knobs: Mapping[str, float]) -> Step:
    """The step for a setting; whole numbers go as such."""
    return make(**{name: int(v) if float(v).is_integer() else v for name, v in knobs.items()})
