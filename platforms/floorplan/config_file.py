"""Read HotSpot's configuration of a package (``-key value`` on each line)."""

import difflib
from dataclasses import dataclass, fields
from pathlib import Path

from platforms.errors import InvalidInput
from platforms.floorplan.config_keys import FLAGS, KNOWN, MATERIALS, NUMBERS, REFUSED
from platforms.floorplan.materials_file import Material
from platforms.floorplan.package import Layer, Package
from platforms.floorplan.text_lines import TextLines, fault, number_in, significant

_LAYERS = ("chip", "interface", "spreader", "sink")
_NULL = "(null)"


@dataclass(frozen=True)
class _Entry:
    line: int
    value: str


def read_config(path: Path, materials: dict[str, Material] | None = None) -> Package:
    """The package that a file describes; what it leaves out is as in HotSpot.

    `materials` are those that its keys ``material_...`` may name. InvalidInput names file, line and
    column; so do keys that would change the model in ways that are not built here.
    """
    entries = _entries(path)
    numbers = {key: _number(path, key, entries[key]) for key in NUMBERS if key in entries}
    flags = {key: _flag(path, key, entries[key]) for key in FLAGS if key in entries}
    for key, (only, why) in REFUSED.items():
        if key in entries and entries[key].value.lower() != only:
            message = f"{key} must be {only}: {why} (got {entries[key].value!r})"
            raise fault(path, entries[key].line, message, column=2)
    numbers |= _of_materials(path, entries, materials)
    init = entries.get("init_file")
    package = _package(numbers, flags, None if init is None or init.value == _NULL else init.value)
    if package.sink_side_m < package.spreader_side_m:
        raise InvalidInput(
            f"{path}: s_sink must not be below s_spreader = {package.spreader_side_m:g} m "
            f"(got {package.sink_side_m:g} m)"
        )
    return package


def _entries(path: Path) -> dict[str, _Entry]:
    found: dict[str, _Entry] = {}
    for line, words in significant(TextLines(path)):
        if len(words) < 2 or not words[0].startswith("-"):
            message = f"must be: -key value (got {' '.join(words)[:60]!r})"
            raise fault(path, line, message)
        if len(words) > 2 and not words[2].startswith("#"):
            raise fault(path, line, f"must end after the value (got {words[2]!r})", column=3)
        key, entry = words[0][1:].lower(), _Entry(line, words[1])
        if key not in KNOWN:
            near = difflib.get_close_matches(key, KNOWN, n=1)
            hint = f"; did you mean -{near[0]}?" if near else ""
            raise fault(path, line, f"must be a key of HotSpot (got {words[0]!r}){hint}", column=1)
        if key in found and found[key].value != entry.value:
            message = f"{key} must have one value (got {entry.value!r}, and {found[key].value!r} "
            raise fault(path, line, f"{message}in line {found[key].line})", column=2)
        found.setdefault(key, entry)
    return found


def _number(path: Path, key: str, entry: _Entry) -> float:
    value = number_in(path, entry.line, 2, key, entry.value)
    known = NUMBERS[key]
    if not known.low <= value <= known.high:
        message = f"{key} must lie in {known.low:g} ... {known.high:g} {known.unit} (got {value:g})"
        raise fault(path, entry.line, message, column=2)
    return value


def _flag(path: Path, key: str, entry: _Entry) -> bool:
    if entry.value not in ("0", "1"):
        raise fault(path, entry.line, f"{key} must be 0 or 1 (got {entry.value!r})", column=2)
    return entry.value == "1"


def _of_materials(
    path: Path, entries: dict[str, _Entry], materials: dict[str, Material] | None
) -> dict[str, float]:
    """Conductivity and heat capacity of the layers whose material is named: they count."""
    numbers = {}
    for key in MATERIALS:
        if key not in entries:
            continue
        line, name = entries[key].line, entries[key].value
        if materials is None:
            raise fault(path, line, f"{key} needs the list of materials; give --materials FILE")
        if name not in materials or not materials[name].solid:
            solid = ", ".join(sorted(m.name for m in materials.values() if m.solid))
            message = f"{key} must be a solid of the list of materials, {solid} (got {name!r})"
            raise fault(path, line, message, column=2)
        layer = key.removeprefix("material_")
        numbers[f"k_{layer}"] = materials[name].conductivity_w_per_m_k
        numbers[f"p_{layer}"] = materials[name].heat_j_per_m3_k
    return numbers


def _package(numbers: dict[str, float], flags: dict[str, bool], init: str | None) -> Package:
    default = Package()

    def layer(name: str) -> Layer:
        known: Layer = getattr(default, name)
        keys = (f"t_{name}", f"k_{name}", f"p_{name}")
        return Layer(
            *(
                numbers.get(key, getattr(known, field.name))
                for key, field in zip(keys, fields(Layer), strict=True)
            )
        )

    chip, interface, spreader, sink = (layer(name) for name in _LAYERS)
    return Package(
        chip=chip,
        interface=interface,
        spreader=spreader,
        sink=sink,
        spreader_side_m=numbers.get("s_spreader", default.spreader_side_m),
        sink_side_m=numbers.get("s_sink", default.sink_side_m),
        convection_k_per_w=numbers.get("r_convec", default.convection_k_per_w),
        convection_j_per_k=numbers.get("c_convec", default.convection_j_per_k),
        ambient_k=numbers.get("ambient", default.ambient_k),
        init_k=numbers.get("init_temp", default.init_k),
        init_file=init,
        clip_k=numbers.get("thermal_threshold", 354.95) if flags.get("dtm_used") else None,
        step_s=numbers.get("sampling_intvl", default.step_s),
        omit_lateral=flags.get("block_omit_lateral", False),
        leakage=flags.get("leakage_used", False),
        defaulted=tuple(
            key for key in NUMBERS if key not in numbers and key != "thermal_threshold"
        ),
    )
