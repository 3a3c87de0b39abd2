"""Device tree source as a tree of nodes: built in Python, printed for ``dtc``."""

from collections.abc import Iterator
from dataclasses import dataclass, field

Cell = int | str
"""A number, or a reference such as ``&cpu0``."""


@dataclass(frozen=True)
class Cells:
    """One bracket of numbers and references: ``<1 0x2 &gic>``."""

    values: tuple[Cell, ...]

    def __str__(self) -> str:
        """As it is written.

        >>> str(cells("&gic", 255))
        '<&gic 0xff>'
        """
        words = [value if isinstance(value, str) else f"{value:#x}" for value in self.values]
        return f"<{' '.join(words)}>"


def cells(*values: Cell) -> Cells:
    """A bracket of these values."""
    return Cells(values)


Value = str | int | bool | Cells | tuple["str | Cells", ...]
"""A text, a single number, a flag (True), a bracket, or several texts or brackets."""


@dataclass
class Node:
    """A node: its properties by name, and the nodes below it. A label makes it referable."""

    name: str
    properties: dict[str, Value] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    label: str = ""

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The node's text, indented."""
        indent = "    " * depth
        label = f"{self.label}: " if self.label else ""
        yield f"{indent}{label}{self.name} {{"
        for key, value in self.properties.items():
            yield f"{indent}    {_property(key, value)};"
        for child in self.children:
            yield from child.lines(depth + 1)
        yield f"{indent}}};"


def source(root: Node) -> str:
    """The whole source text.

    >>> print(source(Node("/", {"model": "rig", "ranges": True})))
    /dts-v1/;
    / {
        model = "rig";
        ranges;
    };
    """
    return "\n".join(["/dts-v1/;", *root.lines()])


def _property(key: str, value: Value) -> str:
    if value is True:
        return key
    parts = value if isinstance(value, tuple) else (value,)
    return f"{key} = {', '.join(_text(part) for part in parts)}"


def _text(part: str | int | Cells) -> str:
    if isinstance(part, str):
        return f'"{part}"'
    return str(part if isinstance(part, Cells) else cells(part))
