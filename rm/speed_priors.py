"""What programs have in common: what an estimate starts from before a program was seen."""

from collections.abc import Mapping

from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput


class SpeedPriors(Struct, frozen=True, kw_only=True):
    """What holds of a program that was not seen at two frequencies, or not on some cluster.

    `stall_s_per_cycle` is stall over cycles on the strongest cluster. `cycles` are relative cycles
    per instruction, one per cluster: twice as many on a cluster whose cores need twice the cycles.
    `stalls` are relative stall seconds per instruction likewise (none given: as the cycles).
    `memory_per_stall` is for how much of a stall on the strongest cluster the memory is busy with
    it: what the others have to wait for.
    """

    stall_s_per_cycle: float
    cycles: tuple[float, ...]
    stalls: tuple[float, ...] = ()
    memory_per_stall: float = 0.0

    @classmethod
    def of_constants(cls, board: Board, constants: Mapping[str, float]) -> "SpeedPriors":
        """As a policy file holds them (`constants`); InvalidInput where they cannot be right.

        Files of earlier versions say nothing of memory, and that stalls differ as cycles do.
        """
        names = _names(board)
        count = len(board.clusters)
        cycles = [constants.get(name, -1.0) for name in names[2 : 2 + count]]
        pairs = zip(names[2 + count :], cycles, strict=True)
        stalls = [constants.get(name, usual) for name, usual in pairs]
        stall_s_per_cycle = constants.get("stall_s_per_cycle", -1.0)
        memory_per_stall = constants.get("memory_per_stall", 0.0)
        if min(stall_s_per_cycle, memory_per_stall) < 0.0 or min(*cycles, *stalls) <= 0.0:
            raise InvalidInput(
                f"the constants of a policy ilgov must be {', '.join(names)}, and not negative "
                f"(got {dict(constants)}); train it again with 'ilgov train-ilgov'"
            )
        return cls(
            stall_s_per_cycle=stall_s_per_cycle,
            cycles=tuple(cycles),
            stalls=tuple(stalls),
            memory_per_stall=memory_per_stall,
        )

    def constants(self, board: Board) -> dict[str, float]:
        """What `of_constants` reads."""
        values = (
            self.stall_s_per_cycle,
            self.memory_per_stall,
            *self.cycles,
            *(self.stalls or self.cycles),
        )
        return dict(zip(_names(board), values, strict=True))


def _names(board: Board) -> list[str]:
    return [
        "stall_s_per_cycle",
        "memory_per_stall",
        *(f"cycles_on_{cluster.name}" for cluster in board.clusters),
        *(f"stalls_on_{cluster.name}" for cluster in board.clusters),
    ]
