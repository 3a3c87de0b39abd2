"""Described things come as TOML files: read one, check it, complain in the same words everywhere.

A described file becomes typed sections (msgspec structs). Each section's `sources` say where each
of its values comes from.
"""

import math
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from platforms.board import SOURCE_KINDS
from platforms.errors import InvalidInput

_UNSOURCED = {"sources", "name", "core", "kind", "schema", "title", "soc", "suite"}
_SHOWN = 80

T = TypeVar("T")


def read_text(file: Path) -> str:
    """The text of `file`; InvalidInput where it cannot be read or is not text."""
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: cannot be read as text ({error})") from error


def shipped_names(folder: Traversable) -> tuple[str, ...]:
    """The names of the described files that a package holds in `folder`, sorted."""
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def text_of(
    name_or_path: str, folder: Traversable, *, kind: str, listed_by: str
) -> tuple[str, str]:
    """The text of what `folder` holds under a name, or of a file; and what to call it in errors.

    Raises InvalidInput, which calls it a `kind` and names the command that lists them, for neither.
    """
    known = shipped_names(folder)
    if name_or_path in known:
        path = f"{name_or_path}.toml"
        return (folder / path).read_text("utf-8"), path
    file = Path(name_or_path)
    if not file.is_file():
        raise InvalidInput(
            f"{kind} must be one of {', '.join(known)}, or the path of a {kind} file "
            f"(got {name_or_path!r}); see '{listed_by}'"
        )
    return read_text(file), str(file)


def convert_toml(
    text: str,
    kind: type[T],
    *,
    origin: str,
    prepare: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> T:
    """A TOML text as a value of type `kind`; `prepare` may complete the raw document before.

    Raises InvalidInput naming `origin`, key, requirement and value.
    """
    try:
        raw = prepare(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{origin}: must be a TOML file ({error})") from error
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{origin}: {_explain(str(error), raw)}") from error


def _explain(message: str, raw: Any) -> str:
    """Turn msgspec's message into: key requirement (got value)."""
    what, _, where = message.partition(" - at `$")
    value = raw
    for name, index in re.findall(r"\.([^.\[\]`]+)|\[(\d+)\]", where):
        value = value[name] if name else value[int(index)]
    key = where.rstrip("`").lstrip(".")
    inner = re.search(r"field `(.+)`", what)
    if inner:
        full = f"{key}.{inner[1]}".lstrip(".")
        if "missing" in what:
            return f"{full} is required (got nothing)"
        return f"{full} is not a known key (got {_shown(value[inner[1]])})"
    wanted = re.match(r"Expected (.+?)(?:, got .+)?$", what)
    requirement = f"must be {wanted[1]}" if wanted else what[0].lower() + what[1:]
    return f"{key or 'the file'} {requirement} (got {_shown(value)})"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def check_positive(where: str, section: msgspec.Struct, *keys: str) -> Iterator[str]:
    """Complain about each of `keys` in `section` that is not above zero."""
    for key in keys:
        if getattr(section, key) <= 0:
            yield f"{where}.{key} must be positive (got {getattr(section, key)})"


def check_not_negative(where: str, section: msgspec.Struct, *keys: str) -> Iterator[str]:
    """Complain about each of `keys` in `section` that is below zero."""
    for key in keys:
        if getattr(section, key) < 0:
            yield f"{where}.{key} must not be negative (got {getattr(section, key)})"


def check_finite(section: msgspec.Struct, where: str = "") -> Iterator[str]:
    """Complain about every number in `section` that is infinite or not a number."""
    for key, number in _numbers(section, where):
        if not math.isfinite(number):
            yield f"{key} must be a finite number (got {number})"


def _numbers(value: Any, key: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, (int, float)):
        yield key, value
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _numbers(getattr(value, field), f"{key}.{field}".lstrip("."))
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{key}.{name}")
    elif isinstance(value, tuple):
        for index, part in enumerate(value):
            name = getattr(part, "name", None)
            yield from _numbers(part, f"{key}.{name}" if name else f"{key}[{index}]")


def check_sources(where: str, section: Any) -> Iterator[str]:
    """Complain unless `section.sources` gives the source of every value, in known kinds."""
    needed = set(_value_keys(section))
    given = set(section.sources)
    if needed - given:
        missing = sorted(needed - given)
        yield f"{where}.sources must say where every value comes from (missing: {missing})"
    if given - needed:
        yield f"{where}.sources names values that are not there (got {sorted(given - needed)})"
    for key, text in section.sources.items():
        kind, _, origin = text.partition(":")
        if kind not in SOURCE_KINDS or not origin.strip():
            kinds = ", ".join(SOURCE_KINDS)
            yield (
                f"{where}.sources.{key} must be '<kind>: <where>' with a kind out of: {kinds} "
                f"(got {text!r})"
            )


def _value_keys(section: msgspec.Struct) -> Iterator[str]:
    """The dotted keys of all values in a section, lists and tables of tables looked into."""
    for field in section.__struct_fields__:
        value = getattr(section, field)
        if field in _UNSOURCED or value is None or value == ():
            continue
        if isinstance(value, tuple) and isinstance(value[0], msgspec.Struct):
            yield from sorted({f"{field}.{key}" for part in value for key in _value_keys(part)})
        elif isinstance(value, dict) and any(isinstance(v, msgspec.Struct) for v in value.values()):
            for name, part in value.items():
                yield from (f"{field}.{name}.{key}" for key in _value_keys(part))
        elif isinstance(value, msgspec.Struct):
            yield from (f"{field}.{key}" for key in _value_keys(value))
        else:
            yield field
