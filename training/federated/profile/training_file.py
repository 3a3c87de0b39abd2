"""A network's training as the text of a file in `platforms/trainings`, all figures sourced."""

import json
from collections.abc import Iterator, Mapping

import msgspec

from platforms.board import SCHEMA_VERSION
from platforms.training_work import Efficiency, TrainingFile, TrainingWork
from training.federated.profile.networks import Network, works_of
from training.federated.profile.proxy import DEPTHS, by_share, curve, depth_factors

_HEAD = (
    "# What a training step of this network asks of a processor, for every setting of its knobs.",
    "# Written by: ilgov federated profile --model {name} --work",
)
_CURVE = (
    "measured: samples to 95 % of the digits 0 to 4, median of {seeds} runs, learning rate by the "
    "square root of the batch (training.federated.profile.proxy)"
)
_FACTOR = {
    "tiny-4": (
        "measured: samples to 50 % on the task topics with so many trained layers, median of "
        "{seeds} runs at the better of two rates, over those with the whole network"
    ),
    "transformer-6x256": "assumed: that of tiny-4 with the same share of layers trained",
    "resnet18": "assumed: there is no knob but the batch",
}
_COUNTED = {
    "works.knobs": "derived: the settings that the cost model was asked about",
    "works.flops": "derived: training.federated.cost, held against PyTorch's own count",
    "works.sample_bytes": (
        "derived: each kept activation is moved four times, those of frozen layers twice (assumed)"
    ),
    "works.step_bytes": (
        "derived: each trained weight is moved five times, each frozen one once (assumed)"
    ),
    "works.kernels": "assumed: 40 per trained layer, 13 per frozen one",
    "works.memory_bytes": "derived: training.federated.cost, held against PyTorch's own count",
}
_RESNET18 = {
    "works.knobs": "derived: the settings that were asked about",
    "works.flops": "data sheet: 0.56 G multiply-accumulates per image, as commonly stated; x 2 x 3",
    "works.sample_bytes": "assumed: 2.5 M numbers kept per image, each moved four times",
    "works.step_bytes": "data sheet: 11.2 M parameters, as commonly stated; each moved five times",
    "works.kernels": "assumed: 400 per step",
    "works.memory_bytes": "derived: weights, gradients, and what is kept of the forward pass",
}


CURVE_SEEDS, DEPTH_SEEDS = 11, 5
"""Runs on the proxies that the shipped files are medians of."""


def made_training(
    network: Network, *, curve_seeds: int = CURVE_SEEDS, depth_seeds: int = DEPTH_SEEDS
) -> TrainingFile:
    """The training of a network; what is counted on proxies takes minutes."""
    return training_of(
        network,
        curve(curve_seeds),
        _factors(network, depth_seeds),
        curve_seeds=curve_seeds,
        depth_seeds=depth_seeds,
    )


def training_of(
    network: Network,
    found: Efficiency,
    factors: Mapping[int, float],
    *,
    curve_seeds: int,
    depth_seeds: int,
) -> TrainingFile:
    """The training of a network whose samples to the goal are known."""
    return TrainingFile(
        schema=SCHEMA_VERSION,
        name=network.name,
        title=network.title,
        works=works_of(network, factors),
        curve=found,
        sources={
            "curve.batches": "derived: the batches that were tried",
            "curve.samples": _CURVE.format(seeds=curve_seeds),
            **(_COUNTED if network.shape else _RESNET18),
            "works.samples_factor": _FACTOR[network.name].format(seeds=depth_seeds),
        },
    )


def training_text(training: TrainingFile) -> str:
    """The TOML text of a training; `parse_training` reads it again."""
    return "\n".join(_lines(training)) + "\n"


def _factors(network: Network, seeds: int) -> Mapping[int, float]:
    if network.shape is None:
        return {}
    counted = depth_factors(seeds)
    layers = network.shape.layers
    if layers == DEPTHS[-1]:
        return counted
    return {depth: by_share(counted, depth, layers) for depth in network.depths}


def _lines(training: TrainingFile) -> Iterator[str]:
    yield from (line.format(name=training.name) for line in _HEAD)
    yield from ("", f"schema = {training.schema}")
    yield from (f'name = "{training.name}"', f"title = {_text(training.title)}", "")
    if training.curve:
        yield "[curve]"
        yield from _pairs(msgspec.structs.asdict(training.curve))
        yield ""
    for work in training.works:
        yield from ("[[works]]", f"knobs = {_knobs(work)}")
        yield from _pairs({name: getattr(work, name) for name in _FIGURES})
        yield ""
    yield "[sources]"
    yield from (f'"{key}" = {_text(source)}' for key, source in training.sources.items())


_FIGURES = ("flops", "sample_bytes", "step_bytes", "kernels", "memory_bytes", "samples_factor")


def _knobs(work: TrainingWork) -> str:
    pairs = (f"{name} = {_number(value)}" for name, value in work.knobs.items())
    return "{ " + ", ".join(pairs) + " }"


def _pairs(values: Mapping[str, object]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, tuple):
            yield f"{name} = [{', '.join(map(_number, value))}]"
        else:
            yield f"{name} = {_number(value)}"


def _number(value: object) -> str:
    """A number as TOML has it, whole ones of seven digits and more in groups.

    >>> [_number(16.0), _number(1234567), _number(1.25)]
    ['16.0', '1_234_567', '1.25']
    """
    if isinstance(value, int):
        return f"{value:_}" if value >= 1_000_000 else str(value)
    return repr(value)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
