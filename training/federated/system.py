"""What a federated training system is: a server's part, a device's part, and its study."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct
from numpy.typing import NDArray

from training.federated.exchange import Arrays, Exchange, Order, Reply

if TYPE_CHECKING:
    from training.federated.fleet import Device
    from training.federated.study import Study


class Setup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides over a run; as JSON it travels to the devices.

    `method` is the system itself or one of its baselines, `options` are those of the system (what
    is not named keeps its default), `task` and `fleet` are names or files, `devices` takes that
    many of the fleet (0: all), `alpha` is the Dirichlet concentration of labels over devices.
    `models` is the folder of pre-trained models. `stand_in` names a larger model for which the
    virtual clock lets this one stand (see `cost.stand_in`); "" takes the model as it is.
    """

    system: str
    method: str
    task: str
    fleet: str = "jetson80"
    devices: int = 0
    alpha: float = 1.0
    seed: int = 0
    models: str = ""
    stand_in: str = ""
    options: dict[str, Any] = msgspec.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Played:
    """What one round was: virtual time and work of it, counted, not clocked.

    `waiting_s` is the time that participants waited for the slowest, summed; bytes, flops and
    energy are summed over devices, `peak_bytes` is the largest memory that any device needed.
    `failed` names the devices that sent nothing sound.
    """

    time_s: float
    waiting_s: float
    energy_j: float
    up_bytes: int
    down_bytes: int
    flops: float
    peak_bytes: int
    participants: int
    failed: tuple[str, ...] = ()
    loss: float | None = None
    notes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class State:
    """A server between two rounds: arrays, and values that JSON can hold."""

    arrays: Arrays
    values: Mapping[str, Any] = field(default_factory=dict)


class Server(Protocol):
    """The server's part of a system."""

    def play(self, round_: int, present: "Sequence[Device]", exchange: Exchange) -> Played:
        """Play one round (counted from 1) with the devices that are present."""
        ...

    def accuracy(self, split: str) -> float:
        """Share of right answers of the global model on "validation" or "test"."""
        ...

    def state(self) -> State:
        """All that the next round depends on."""
        ...

    def restore(self, state: State) -> None:
        """Go on from there: the rounds that follow are the same, bit for bit."""
        ...


class SingleExchange(Server, Protocol):
    """A server whose round is one exchange; Flower's own strategies and wrappers can carry it."""

    def orders(self, round_: int, present: "Sequence[Device]") -> Mapping[str, Order]:
        """An order for each device that takes part."""
        ...

    def absorb(
        self, round_: int, orders: Mapping[str, Order], replies: Mapping[str, Reply]
    ) -> Played:
        """Take the replies into the global model."""
        ...


class Client(Protocol):
    """A device's part of a system."""

    def act(self, order: Order, memory: dict[str, NDArray[Any]]) -> Reply:
        """Do what is ordered. `memory` is the device's, kept between orders; all else is lost."""
        ...


@dataclass(frozen=True, kw_only=True)
class System:
    """A published system with its baselines.

    `methods` are the system itself, first, and its baselines. `options` is the type of its
    settings, all with defaults. `leaves_device` says in words what leaves the devices.
    """

    name: str
    paper: str
    summary: str
    methods: tuple[str, ...]
    options: type[Struct]
    default_task: str
    server: Callable[[Setup], Server]
    client: Callable[[Setup, str], Client]
    study: "Callable[[], Study]"
    leaves_device: str = "updates of the model"
