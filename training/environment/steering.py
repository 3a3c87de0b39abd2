"""From observations to vectors and from actions to decisions, in the environment and on a board."""

from typing import Any

from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.platform import Migration, Observation
from rm.dvfs import QosScaling
from training.environment.actions import ActionCodec, Dvfs, Moves
from training.environment.observations import Encoder, Vector
from training.environment.slots import Slots


class Interface(Struct, frozen=True, kw_only=True):
    """The shape of what an agent sees and does: it has to be the same where it is put to use.

    `slots` is how many applications it can see at once, more than a board has cores: some share
    one.
    """

    slots: int = 12
    moves: Moves = "all"
    dvfs: Dvfs = "qos"

    def __post_init__(self) -> None:
        """Refuse an environment without applications."""
        if self.slots < 1:
            raise InvalidInput(f"slots must be at least 1 (got {self.slots})")


class Steering:
    """The memory between an agent and a board: who has which slot, which clocks were asked for."""

    def __init__(self, board: Board, interface: Interface) -> None:
        """For one episode."""
        self.codec = ActionCodec(
            board, slots=interface.slots, moves=interface.moves, dvfs=interface.dvfs
        )
        self.encoder = Encoder(board, interface.slots)
        self._slots = Slots(interface.slots)
        self.slotted = self._slots.seat(())
        self._loop = QosScaling(board) if interface.dvfs == "qos" else None
        self._opps: tuple[int, ...] | None = None

    def see(self, observation: Observation) -> Vector:
        """What the agent is shown, once a step."""
        self.slotted = self._slots.seat(observation.applications)
        return self.encoder.encode(observation, self.slotted)

    def act(self, action: Any) -> tuple[Migration, ...]:
        """The moves that the agent asks for; its operating points hold until its next action.

        Raises InvalidInput for an action that there is not.
        """
        numbers = self.codec.numbers(action)
        self._opps = self.codec.opps(numbers)
        return self.codec.migrations(numbers, self.slotted)

    def scale(self, observation: Observation) -> tuple[int, ...]:
        """The operating points for the next round; as they are until the agent first acted."""
        if self._loop is not None:
            return self._loop.scale(observation)
        return observation.opp_index if self._opps is None else self._opps
