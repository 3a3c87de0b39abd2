"""The temperature limit of a comparison, where the user gives none."""

from platforms.board import Board
from platforms.errors import InvalidInput


def default_limit_c(board: Board, cooling: str) -> float:
    """TODO."""
    raise InvalidInput(f"{board.name} {cooling}")
