"""Read a floorplan in HotSpot's format (``.flp``)."""

from pathlib import Path

from platforms.errors import InvalidInput
from platforms.floorplan.plan import TOUCH_M, Block, Floorplan
from platforms.floorplan.text_lines import TextLines, fault, number_in, significant

_COLUMNS = ("width", "height", "left", "bottom", "specific heat", "resistivity")
_LARGEST_M = 1.0
_MOST_BLOCKS = 1000


def read_flp(path: Path) -> Floorplan:
    """The floorplan that a file describes; lengths in metres.

    A line is ``name width height left bottom``, with or without specific heat and resistivity,
    which HotSpot's block model does not use. Lines ``name name density`` (wires) are passed over.
    InvalidInput names file, line and column.
    """
    lines_of: dict[str, int] = {}
    blocks: list[Block] = []
    wires: list[tuple[int, list[str]]] = []
    for line, words in significant(TextLines(path)):
        if len(words) == 3:
            wires.append((line, words))
            continue
        block = _block(path, line, words)
        key = block.name.lower()
        if key in lines_of:
            message = f"name must be unique, case left out (got {block.name!r} as line "
            raise fault(path, line, f"{message}{lines_of[key]})", column=1)
        lines_of[key] = line
        blocks.append(block)
    if not 0 < len(blocks) <= _MOST_BLOCKS:
        raise InvalidInput(f"{path}: must hold 1 to {_MOST_BLOCKS} blocks (got {len(blocks)})")
    _check_wires(path, wires, set(lines_of))
    plan = Floorplan.of(tuple(blocks))
    for first, second in plan.overlaps():
        a, b = plan.names[first], plan.names[second]
        message = f"block {b!r} must not overlap {a!r} of line {lines_of[a.lower()]}"
        raise fault(path, lines_of[b.lower()], message)
    return plan


def _block(path: Path, line: int, words: list[str]) -> Block:
    if len(words) not in (5, 7):
        raise fault(
            path,
            line,
            "must be: name width height left bottom, or with specific heat and resistivity after "
            f"that, or: name name wire-density (got {len(words)} columns)",
        )
    width, height, left, bottom, *_ = (
        number_in(path, line, column, name, word)
        for column, (name, word) in enumerate(zip(_COLUMNS, words[1:], strict=False), start=2)
    )
    for column, name, value in ((2, "width", width), (3, "height", height)):
        if not TOUCH_M < value <= _LARGEST_M:
            message = (
                f"{name} must be in metres, above {TOUCH_M:g} and at most {_LARGEST_M:g} "
                f"(got {value:g})"
            )
            raise fault(path, line, message, column=column)
    for column, name, value in ((4, "left", left), (5, "bottom", bottom)):
        if abs(value) > _LARGEST_M:
            message = f"{name} must be in metres, within {_LARGEST_M:g} (got {value:g})"
            raise fault(path, line, message, column=column)
    return Block(words[0], width, height, left, bottom)


def _check_wires(path: Path, wires: list[tuple[int, list[str]]], known: set[str]) -> None:
    """A line of wires names two blocks: anything else is a block's line that was cut."""
    for line, words in wires:
        for column, name in enumerate(words[:2], start=1):
            if name.lower() not in known:
                message = (
                    "a line of three columns must be: name name wire-density "
                    f"(got {name!r}, which is no block)"
                )
                raise fault(path, line, message, column=column)
        number_in(path, line, 3, "wire density", words[2])
