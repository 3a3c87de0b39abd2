"""CAFF's plan: made once, before the first round."""

from collections.abc import Mapping

from platforms.errors import InvalidInput
from training.federated.cost.memory import peak_bytes
from training.federated.fleet import load_fleet
from training.federated.models.family import member, sized
from training.federated.models.load import shape_of_name
from training.federated.models.shape import Shape
from training.federated.suffix import Suffix
from training.federated.system import Setup
from training.federated.systems.caff.choose import (
    Architecture,
    Cost,
    choose_architecture,
    choose_depth,
)
from training.federated.systems.caff.limits import limits_of
from training.federated.systems.caff.methods import offers
from training.federated.systems.caff.options import CaffOptions
from training.federated.systems.suffix_tuning.load import load_of, work_of
from training.federated.systems.suffix_tuning.planner import StaticPlanner
from training.federated.tasks.load import load_task


def plan_of(setup: Setup, options: CaffOptions) -> StaticPlanner:
    """The architecture for the fleet, and for each device the deepest suffix that fits."""
    task, devices = load_task(setup), load_fleet(setup.fleet, setup.devices).devices
    names = family_of(task.model, options.layers)
    shapes = {name: shape_of_name(name, setup.models, task.classes) for name in names}
    suffixes = {
        name: offers(setup.method, shape.layers, options.rank) for name, shape in shapes.items()
    }
    deepest = max(shapes.values(), key=lambda shape: shape.layers)
    limits = limits_of(
        devices,
        cost_of(deepest, Suffix(deepest.layers), options, task.tokens),
        memory=options.memory_share,
        upload=options.upload_share,
        flops=options.flops_share,
    )
    tables = {
        name: Architecture(
            name=name,
            layers=shape.layers,
            costs={
                depth: cost_of(shape, suffix, options, task.tokens)
                for depth, suffix in suffixes[name].items()
            },
        )
        for name, shape in shapes.items()
    }
    chosen = choose_architecture(list(tables.values()), list(limits.values()))
    depths = {name: choose_depth(chosen.costs, limit) for name, limit in limits.items()}
    return _planner(chosen.name, suffixes[chosen.name], depths, share=options.share)


def _planner(
    model: str, offered: Mapping[int, Suffix], depths: Mapping[str, int | None], *, share: bool
) -> StaticPlanner:
    taken = {name: offered[depth] for name, depth in depths.items() if depth is not None}
    reach = max(taken.values(), key=lambda suffix: suffix.depth)
    return StaticPlanner(model, taken, reach, share=share)


def family_of(model: str, layers: tuple[int, ...]) -> tuple[str, ...]:
    """The members of a model's family with so many layers; the model alone where it has none."""
    if not model:
        raise InvalidInput("task must be of texts (got one of features); CAFF trains transformers")
    if member(model) is None:
        return (model,)
    return tuple(sized(model, count) for count in layers)


def cost_of(shape: Shape, suffix: Suffix, options: CaffOptions, tokens: int) -> Cost:
    """What a round of training a suffix asks of a device."""
    work = work_of(shape, suffix, options, tokens)
    load = load_of(work, steps=options.steps, down_bytes=0)
    return Cost(memory_bytes=peak_bytes(work), flops=load.flops, up_bytes=load.up_bytes)
