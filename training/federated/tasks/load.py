"""A setup's task: its examples, split over the devices of its fleet."""

from functools import lru_cache
from pathlib import Path

from platforms.errors import InvalidInput
from training.federated.system import Setup
from training.federated.tasks.split import split
from training.federated.tasks.task import Pool, Task

_HF = "hf:"

TASKS = ("digits", "topics", "tokens", "labels", "renamed")


def load_task(setup: Setup) -> Task:
    """The task of a setup; read and split once per process.

    An option "model" of the setup names the model, whose tokenizer then cuts the texts; without
    one, the task's own. InvalidInput where there is no such task, or too few examples to share.
    """
    model = str(setup.options.get("model") or "")
    return _task(setup.task, _devices(setup), setup.alpha, setup.seed, model, setup.models)


def _devices(setup: Setup) -> int:
    if setup.devices > 0:
        return setup.devices
    from training.federated.fleet import load_fleet

    return len(load_fleet(setup.fleet, setup.devices).devices)


@lru_cache(maxsize=8)
def _task(name: str, devices: int, alpha: float, seed: int, model: str, models: str) -> Task:
    pool = _pool(name, model, models)
    return Task(
        name=name,
        classes=pool.classes,
        tokens=pool.tokens,
        parts=split(pool.train, devices=devices, alpha=alpha, seed=seed),
        validation=pool.validation,
        test=pool.test,
        model=model or pool.model,
    )


@lru_cache(maxsize=4)
def _pool(name: str, model: str, models: str) -> Pool:
    from training.federated.tasks.digits import digits
    from training.federated.tasks.synthetic import labels, renamed, tokens

    if name == "digits":
        return digits()
    if name == "tokens":
        return tokens()
    if name == "labels":
        return labels()
    if name == "renamed":
        return renamed()
    if name == "topics":
        return _topics(model, models)
    if name.startswith(_HF):
        return _local(Path(name.removeprefix(_HF)), model, models)
    raise InvalidInput(f"task must be one of {', '.join(TASKS)} or {_HF}FOLDER (got {name})")


def _topics(model: str, models: str) -> Pool:
    from training.federated.models.store import store, tokenizer_of
    from training.federated.tasks.topics import MODEL, topics

    return topics(tokenizer_of(model or MODEL, models), store(models))


def _local(folder: Path, model: str, models: str) -> Pool:
    from training.federated.models.store import tokenizer_of
    from training.federated.tasks.local_dataset import MODEL, local_dataset

    return local_dataset(folder, tokenizer_of(model or MODEL, models))
