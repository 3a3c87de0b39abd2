"""Read HotSpot 7's list of materials."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from platforms.floorplan.text_lines import TextLines, fault, number_in, significant

_FIELDS = {
    "solid": ("thermal conductivity", "volumetric heat capacity"),
    "fluid": ("thermal conductivity", "volumetric heat capacity", "dynamic viscosity"),
}


@dataclass(frozen=True)
class Material:
    """A material: solid or fluid, how it conducts heat and how much it holds."""

    name: str
    solid: bool
    conductivity_w_per_m_k: float
    heat_j_per_m3_k: float


def read_materials(path: Path) -> dict[str, Material]:
    """The materials of a file by name.

    Each is a line with its name, one with ``solid`` or ``fluid``, one with its conductivity in
    W/(m K), one with its heat capacity in J/(m3 K), and for fluids one with the viscosity in Pa s.
    InvalidInput names file and line.
    """
    found: dict[str, Material] = {}
    rows = significant(TextLines(path))
    for line, (name, *rest) in rows:
        if rest:
            raise fault(path, line, f"must be a material's name alone (got {len(rest) + 1} words)")
        if name in found:
            raise fault(path, line, f"name must be unique (got {name!r} again)")
        found[name] = _material(path, line, name, rows)
    return found


def _material(path: Path, line: int, name: str, rows: Iterator[tuple[int, list[str]]]) -> Material:
    line, kind = _next(path, line, rows, f"{name}: solid or fluid")
    if kind not in _FIELDS:
        raise fault(path, line, f"type of {name} must be solid or fluid (got {kind!r})")
    values = []
    for field in _FIELDS[kind]:
        line, word = _next(path, line, rows, f"the {field} of {name}")
        value = number_in(path, line, 1, field, word)
        if value <= 0:
            raise fault(path, line, f"{field} of {name} must be positive (got {value:g})")
        values.append(value)
    return Material(name, kind == "solid", values[0], values[1])


def _next(
    path: Path, line: int, rows: Iterator[tuple[int, list[str]]], what: str
) -> tuple[int, str]:
    for number, words in rows:
        return number, words[0]
    raise fault(path, line, f"must be followed by {what} (the file ends here)")
