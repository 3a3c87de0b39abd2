"""What a configuration says of the board, against the board itself."""

import functools
from collections.abc import Iterable, Iterator

from platforms.board import Board
from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput
from rm.daemon.configuration.every_problem import joined, shown

_shipped = functools.cache(load_board)


def board_problems(board: str, sensors: Iterable[str]) -> Iterator[str]:
    """Problems of a board, a name or the path of a file, and of the names of its sensors."""
    if board not in shipped_boards() and not board.startswith("/"):
        yield (
            f"board must be one of {', '.join(shipped_boards())}, or the absolute path of a board "
            f"file (got {shown(board)}); 'ilgov board probe' writes one"
        )
        return
    try:
        described = load_board(board) if board.startswith("/") else _shipped(board)
    except (InvalidInput, OSError, ValueError) as error:
        yield f"board must be one that can be used ({error})"
        return
    yield from _sensor_problems(described, sensors)


def _sensor_problems(board: Board, sensors: Iterable[str]) -> Iterator[str]:
    known = [sensor.name for sensor in board.sensors]
    for name in sensors:
        if name not in known:
            yield (
                f"{joined('sensors', name)} must be a sensor of board {board.name}, one of "
                f"{', '.join(known)} (got {shown(name)})"
            )
