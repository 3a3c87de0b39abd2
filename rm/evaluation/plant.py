"""The board that is governed, where it is another one than the policies know.

A policy trained on a calibrated board meets the true board with its own numbers in its head. What
both have to share is what a kernel shows of a machine: clusters, cores, frequencies, sensors.
"""

from collections.abc import Iterator

from platforms.board import Board
from platforms.errors import InvalidInput


def check_plant(board: Board, plant: Board) -> None:
    """Raise InvalidInput where `plant` is no board of the structure that `board` describes."""
    for what, known, true in _pairs(board, plant):
        if known != true:
            raise InvalidInput(
                f"--plant must have the {what} of --board {board.name}, {known} (got {true} of "
                f"{plant.name}); only powers, speeds and heat may differ"
            )


def _pairs(board: Board, plant: Board) -> Iterator[tuple[str, str, str]]:
    for what, text in (("clusters", _clusters), ("frequencies", _freqs), ("sensors", _sensors)):
        yield what, text(board), text(plant)


def _clusters(board: Board) -> str:
    return ", ".join(f"{c.name} ({' '.join(map(str, c.cores))})" for c in board.clusters)


def _freqs(board: Board) -> str:
    return ", ".join(
        f"{c.name} {'/'.join(f'{hz / 1e6:g}' for hz in c.freqs_hz)} MHz" for c in board.clusters
    )


def _sensors(board: Board) -> str:
    return ", ".join(sensor.name for sensor in board.sensors) or "none"


def boards_text(board: Board, plant: Board | None) -> str:
    """A sentence that names both boards; nothing where they are one."""
    if plant is None:
        return ""
    return (
        f"policies know {board.title} (board file {board.name}); what they govern is "
        f"{plant.title} (board file {plant.name}), which the oracle alone sees"
    )
