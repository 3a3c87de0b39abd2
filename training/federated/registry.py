"""Systems by name, shipped ones and those of third parties, found through entry points."""

from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

import msgspec
from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.system import Setup, System

GROUP = "ilgov.federated_systems"

Options = TypeVar("Options", bound=Struct)


def system_names() -> tuple[str, ...]:
    """The names of all systems that are installed, sorted."""
    return tuple(sorted(point.name for point in entry_points(group=GROUP)))


def find_system(name: str) -> System:
    """A system by its name, or by "module:object"; InvalidInput where there is none."""
    if ":" in name:
        return _loaded(EntryPoint(name=name, value=name, group=GROUP))
    for point in entry_points(group=GROUP, name=name):
        return _loaded(point)
    raise InvalidInput(f"system must be one of {', '.join(system_names())} (got {name})")


def module_of(name: str) -> str:
    """The module or package that a system comes from; InvalidInput where there is none."""
    find_system(name)
    for point in entry_points(group=GROUP, name=name):
        return point.module
    return name.partition(":")[0]


def _loaded(point: EntryPoint) -> System:
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        raise InvalidInput(f"system {point.value} cannot be loaded: {error}") from error
    if not isinstance(found, System):
        raise InvalidInput(f"{point.value}: must be a System (got {type(found).__name__})")
    return found


def options_of(setup: Setup, kind: type[Options]) -> Options:
    """The options of a setup, typed and checked; InvalidInput where one is unknown or wrong."""
    try:
        return msgspec.convert(setup.options, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(field.name for field in msgspec.structs.fields(kind))
        raise InvalidInput(
            f"options of {setup.system}: {error} (got {setup.options}); there are {known}"
        ) from error
