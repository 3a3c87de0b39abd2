"""A board as the text of a board file, laid out as the shipped ones are."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from platforms.board import Board

_ARRAYS = ("clusters", "cooling", "sensors", "accelerators")
_ORDER = (
    *("clusters", "leakage", "memory", "thermal", "cooling"),
    *("sensors", "protection", "accelerators", "rest_of_board"),
)


def board_text(board: Board, *, head: Sequence[str] = ()) -> str:
    """The TOML text of a board, `head` before it as a comment; `parse_board` reads it again."""
    document = msgspec.json.decode(msgspec.json.encode(board))
    lines = [f"# {line}".rstrip() for line in head]
    lines += ["", *(_pair(key, document[key]) for key in ("schema", "name", "title", "soc"))]
    for section in _ORDER:
        value = document[section]
        if not value:
            continue
        for part in value if section in _ARRAYS else (value,):
            lines += ["", f"[[{section}]]" if section in _ARRAYS else f"[{section}]"]
            lines += _section(section, part)
    return "\n".join(lines).lstrip("\n") + "\n"


def section_lines(name: str, section: msgspec.Struct) -> list[str]:
    """One section by itself, such as ``thermal``, as it stands in a board file."""
    head = f"[[{name}]]" if name in _ARRAYS else f"[{name}]"
    return [head, *_section(name, msgspec.json.decode(msgspec.json.encode(section)))]


def _section(name: str, values: dict[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if value is None or value == [] or key == "sources":
            continue
        yield from _value_lines(key, value)
    yield from ("", f"[{name}.sources]")
    for key, source in values["sources"].items():
        yield f"{_key(key)} = {_plain(source)}"


def _value_lines(key: str, value: Any) -> Iterator[str]:
    """Tables of tables have a line for each; everything else is one line."""
    if isinstance(value, list) and isinstance(value[0], dict):
        yield f"{key} = ["
        yield from (f"    {_plain(row)}," for row in value)
        yield "]"
    else:
        yield _pair(key, value)


def _pair(key: str, value: Any) -> str:
    return f"{_key(key)} = {_plain(value)}"


def _plain(value: Any) -> str:
    """A value as TOML writes it.

    >>> _plain({"freq_hz": 509000000, "volt_v": 0.68, "core": None})
    '{ freq_hz = 509_000_000, volt_v = 0.68 }'
    """
    if isinstance(value, dict):
        pairs = [_pair(key, part) for key, part in value.items() if part is not None]
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= 1_000_000 else str(value)
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    """A key, quoted where TOML would take it for several."""
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)
