"""What the bandit chooses from: pairs of a pruning ratio and a LoRA rank, on a grid."""

from collections.abc import Sequence

from msgspec import Struct


class Arm(Struct, frozen=True, order=True):
    """A share of the structures that is pruned, and the rank of the LoRA factors."""

    ratio: float
    rank: int


class Box(Struct, frozen=True):
    """A part of the grid: ratios first..last and ranks first..last, by place, ends included."""

    ratio_first: int
    ratio_last: int
    rank_first: int
    rank_last: int

    def halves(self) -> "tuple[Box, ...]":
        """The box cut across its longer side; itself where it holds one arm.

        >>> Box(0, 3, 0, 1).halves()
        (Box(ratio_first=0, ratio_last=1, rank_first=0, rank_last=1), \
Box(ratio_first=2, ratio_last=3, rank_first=0, rank_last=1))
        """
        ratios = self.ratio_last - self.ratio_first
        ranks = self.rank_last - self.rank_first
        if ratios == ranks == 0:
            return (self,)
        if ratios >= ranks:
            middle = self.ratio_first + ratios // 2
            return (
                Box(self.ratio_first, middle, self.rank_first, self.rank_last),
                Box(middle + 1, self.ratio_last, self.rank_first, self.rank_last),
            )
        middle = self.rank_first + ranks // 2
        return (
            Box(self.ratio_first, self.ratio_last, self.rank_first, middle),
            Box(self.ratio_first, self.ratio_last, middle + 1, self.rank_last),
        )


class Grid(Struct, frozen=True):
    """Pruning ratios and ranks, ascending; arms are counted ratio by ratio."""

    ratios: tuple[float, ...]
    ranks: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ratios) * len(self.ranks)

    def arm(self, number: int) -> Arm:
        """An arm by its number.

        >>> Grid((0.0, 0.5), (2, 4)).arm(2)
        Arm(ratio=0.5, rank=2)
        """
        ratio, rank = divmod(number, len(self.ranks))
        return Arm(self.ratios[ratio], self.ranks[rank])

    def arms(self) -> tuple[Arm, ...]:
        """All of them."""
        return tuple(map(self.arm, range(len(self))))

    def nearest(self, ratio: float, rank: int) -> int:
        """The arm closest to a pair.

        >>> Grid((0.0, 0.5), (2, 4)).nearest(0.4, 9)
        3
        """
        place = min(range(len(self.ratios)), key=lambda i: abs(self.ratios[i] - ratio))
        level = min(range(len(self.ranks)), key=lambda i: abs(self.ranks[i] - rank))
        return place * len(self.ranks) + level

    def whole(self) -> Box:
        """The box that holds every arm."""
        return Box(0, len(self.ratios) - 1, 0, len(self.ranks) - 1)

    def inside(self, box: Box) -> Sequence[int]:
        """The numbers of the arms in a box.

        >>> Grid((0.0, 0.5), (2, 4)).inside(Box(0, 1, 1, 1))
        [1, 3]
        """
        return [
            ratio * len(self.ranks) + rank
            for ratio in range(box.ratio_first, box.ratio_last + 1)
            for rank in range(box.rank_first, box.rank_last + 1)
        ]
