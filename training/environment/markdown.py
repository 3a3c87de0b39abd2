"""The tables of ``docs/environment.md``, made from the code that they describe."""

from collections.abc import Iterable, Sequence

from platforms.board import Board
from training.environment.actions import ActionCodec, Dvfs, Moves
from training.environment.observations import board_rows, slot_rows


def observation_markdown(board: Board, slots: int) -> str:
    """The table of what an agent sees, the numbers of all slots in one row each."""
    first, stride = len(board_rows(board, slots)), len(slot_rows(board))
    rows = [
        (str(index), f"`{name}`", unit, _number(low), _number(high))
        for index, (name, unit, low, high) in enumerate(board_rows(board, slots))
    ]
    rows += [
        (f"{first + at} + {stride} s", f"`app<s>_{name}`", unit, _number(low), _number(high))
        for at, (name, unit, low, high) in enumerate(slot_rows(board))
    ]
    return _table(("index", "name", "unit", "low", "high"), rows)


def action_markdown(board: Board, slots: int) -> str:
    """The action spaces of all variants."""
    moves: tuple[Moves, ...] = ("all", "one")
    dvfs: tuple[Dvfs, ...] = ("qos", "agent")
    rows = []
    for how in moves:
        for who in dvfs:
            codec = ActionCodec(board, slots=slots, moves=how, dvfs=who)
            rows.append((f'`moves="{how}", dvfs="{who}"`', _counts(codec)))
    return _table(("variant", "space: how many values each choice has"), rows)


def choice_markdown(board: Board, slots: int) -> str:
    """What the choices mean that actions consist of, those of all slots in one row."""
    every = ActionCodec(board, slots=slots, moves="all", dvfs="agent").choices
    one = ActionCodec(board, slots=slots, moves="one", dvfs="qos").choices
    rows = [
        (f"slot 0 to slot {slots - 1}, each", str(every[0].count), every[0].meaning),
        *((choice.name, str(choice.count), choice.meaning) for choice in one + every[slots:]),
    ]
    return _table(("choice", "values", "meaning"), rows)


def _counts(codec: ActionCodec) -> str:
    kind = type(codec.space).__name__
    return f"{kind}: {', '.join(str(choice.count) for choice in codec.choices)}"


def _number(value: float) -> str:
    """A number as it is read best.

    >>> _number(2362000000.0), _number(0.1), _number(-40.0)
    ('2.362e+09', '0.1', '-40')
    """
    return f"{value:.6g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
