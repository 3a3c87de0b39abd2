"""Which runs of a study are compared with each other, and what they are called."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from platforms.errors import InvalidInput
from training.federated.system import Setup

_SCENE = ("task", "alpha", "fleet", "devices", "stand_in", "models")


class Contestant(Struct, frozen=True, kw_only=True):
    """A method in a scene: a task on a fleet. Only contestants of one scene are compared."""

    scene: str
    name: str
    method: str


def contestants(
    setups: Sequence[Setup], scene_options: Sequence[str] = ()
) -> tuple[Contestant, ...]:
    """The contestant that each of a study's setups is.

    Setups that differ in `scene_options` are in different scenes.

    A scene is called by its task and by what else tells it from others, a contestant by its method
    and by the options in which it differs from others of that method. Raises InvalidInput where two
    setups are the same.
    """
    placed = [(setup, _scene(setup, scene_options)) for setup in setups]
    scenes = [scene for _, scene in placed]
    found = tuple(
        Contestant(
            scene=_named(setup.task, _differing(scene, scenes)),
            name=_named(setup.method, _differing(setup.options, _others(setup, scene, placed))),
            method=setup.method,
        )
        for setup, scene in placed
    )
    if len(set(found)) < len(found):
        twice = sorted({f"{one.scene}: {one.name}" for one in found if found.count(one) > 1})
        raise InvalidInput(f"setups of a study must differ (got {', '.join(twice)} twice)")
    return found


def _scene(setup: Setup, options: Sequence[str]) -> dict[str, Any]:
    given = {name: setup.options.get(name) for name in options}
    return {name: getattr(setup, name) for name in _SCENE} | given


def _others(
    setup: Setup, scene: dict[str, Any], placed: Sequence[tuple[Setup, dict[str, Any]]]
) -> list[dict[str, Any]]:
    """The options of setups of the same method in the same scene."""
    alike = (setup.method, scene)
    return [other.options for other, where in placed if (other.method, where) == alike]


def _differing(own: dict[str, Any], others: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Those of the own values that are not the same in all the others."""
    all_ = list(others)
    names = dict.fromkeys(name for one in all_ for name in one)
    return {
        name: own.get(name, "default")
        for name in names
        if any(other.get(name) != own.get(name) for other in all_) and name != "task"
    }


def _named(name: str, details: dict[str, Any]) -> str:
    """A name with details.

    >>> _named("labels", {"alpha": 0.1, "fleet": "jetson80"})
    'labels (alpha 0.1, fleet jetson80)'
    """
    texts = [f"{key.replace('_', ' ')} {_text(value)}" for key, value in details.items()]
    return f"{name} ({', '.join(texts)})" if texts else name


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
