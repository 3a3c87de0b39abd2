"""Who trains what: what a system decides, round by round."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from training.federated.aggregation import Held, layerwise
from training.federated.clock import Turn
from training.federated.exchange import Arrays
from training.federated.fleet import Device
from training.federated.suffix import Suffix
from training.federated.systems.suffix_tuning.load import Load


class Planner(Protocol):
    """A system's decisions; all else is the same for all of them."""

    model: str
    """Name of the model that is trained."""

    reach: Suffix
    """All that any device may train, at the largest rank that any may have."""

    def plan(self, round_: int, present: Sequence[Device]) -> Mapping[str, Suffix]:
        """Who of those present trains what in this round."""
        ...

    def hear(self, loads: Mapping[str, Load], turns: Mapping[str, Turn]) -> None:
        """How long the round took those who sent a sound reply, and for what work."""
        ...

    def values(self) -> dict[str, Any]:
        """What the next plan depends on, as values that JSON can hold."""
        ...

    def restore(self, values: Mapping[str, Any]) -> None:
        """Go on from there."""
        ...

    def merge(self, old: Arrays, held: Sequence[Held]) -> dict[str, Any]:
        """The global arrays after a round."""
        ...


class StaticPlanner:
    """A plan that is made once: nothing is learnt from the rounds."""

    def __init__(
        self, model: str, suffixes: Mapping[str, Suffix], reach: Suffix, *, share: bool = True
    ) -> None:
        """Devices that are not in `suffixes` never take part."""
        self.model, self.reach = model, reach
        self._suffixes, self._share = suffixes, share

    def plan(self, round_: int, present: Sequence[Device]) -> Mapping[str, Suffix]:
        """See Planner."""
        del round_
        names = [device.name for device in present if device.name in self._suffixes]
        return {name: self._suffixes[name] for name in names}

    def hear(self, loads: Mapping[str, Load], turns: Mapping[str, Turn]) -> None:
        """Nothing to learn."""

    def values(self) -> dict[str, Any]:
        """Nothing to keep."""
        return {}

    def restore(self, values: Mapping[str, Any]) -> None:
        """Nothing to restore."""

    def merge(self, old: Arrays, held: Sequence[Held]) -> dict[str, Any]:
        """Layer by layer."""
        return layerwise(old, held, share=self._share)
