"""Turn a parsed file into typed sections, and tell every problem, not only the first.

msgspec stops at the first value that does not fit. Here each field is converted by itself; what
fits goes on to the checks that look at several fields.
"""

import difflib
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec.structs import FieldInfo

T = TypeVar("T")

Check = Callable[[Mapping[str, Any], str], Iterator[str]]
"""Looks at a section: gets those of its fields that are given and have the right type, its key."""

_SHOWN = 80
_PLAIN = {
    bool: "be true or false",
    int: "be a whole number",
    float: "be a number",
    str: "be a text",
}


class _Broken:
    """Stands for a value that has a problem."""


_BROKEN = _Broken()


class Conversion:
    """Collects `problems` while it converts; `checks` are made on each section that converts."""

    def __init__(self, checks: Mapping[type, Check] | None = None) -> None:
        self.problems: list[str] = []
        self._checks = dict(checks or {})

    def section(self, kind: type[T], raw: Mapping[str, Any]) -> T | None:
        """A section of type `kind`, None where it has a problem."""
        section = self._section(kind, raw, "")
        return section if isinstance(section, kind) else None

    def _section(self, kind: type, raw: Any, key: str) -> Any:
        if not isinstance(raw, dict):
            return self._wrong(key, "be a table", raw)
        before = len(self.problems)
        good = self._good_fields(kind, raw, key)
        if kind in self._checks:
            self.problems.extend(self._checks[kind](good, key))
        return _BROKEN if len(self.problems) > before else kind(**good)

    def _good_fields(self, kind: type, raw: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Those fields that `raw` gives and that have no problem; the others' are told."""
        known = {field.name: field for field in msgspec.structs.fields(kind)}
        self.problems.extend(_unknown(raw, known, key))
        good = {}
        for name, field in known.items():
            if name in raw:
                value = self._value(field.type, raw[name], joined(key, name))
                if value is not _BROKEN:
                    good[name] = value
            elif field.required:
                self.problems.append(f"{joined(key, name)} must be given (got nothing)")
        return good

    def _value(self, kind: Any, value: Any, key: str) -> Any:
        origin = get_origin(kind)
        if origin in (Union, types.UnionType):  # TOML has no null: the file never says None
            (given,) = (part for part in get_args(kind) if part is not type(None))
            return self._value(given, value, key)
        if origin is tuple:
            return self._list(get_args(kind)[0], value, key)
        if origin is dict:
            name_kind, value_kind = get_args(kind)
            return self._table(name_kind, value_kind, value, key)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._section(kind, value, key)
        if kind is Path:
            return self._path(value, key)
        return self._single(kind, value, key)

    def _wrong(self, key: str, requirement: str, value: Any) -> _Broken:
        self.problems.append(f"{key} must {requirement} (got {shown(value)})")
        return _BROKEN

    def _list(self, kind: Any, value: Any, key: str) -> Any:
        if not isinstance(value, list):
            return self._wrong(key, "be a list", value)
        parts = [self._value(kind, part, f"{key}[{i}]") for i, part in enumerate(value)]
        return _BROKEN if _BROKEN in parts else tuple(parts)

    def _table(self, name_kind: Any, kind: Any, value: Any, key: str) -> Any:
        if not isinstance(value, dict):
            return self._wrong(key, "be a table", value)
        parts = {
            self._value(name_kind, name, f"a name in {key}"): self._value(
                kind, part, joined(key, name)
            )
            for name, part in value.items()
        }
        return _BROKEN if _BROKEN in {*parts, *parts.values()} else parts

    def _path(self, value: Any, key: str) -> Any:
        requirement = "be an absolute path of at most 4096 characters"
        if not isinstance(value, str) or not value.startswith("/"):
            return self._wrong(key, requirement, value)
        if len(value) > 4096 or "\0" in value:
            return self._wrong(key, requirement, value)
        return Path(value)

    def _single(self, kind: Any, value: Any, key: str) -> Any:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            return self._wrong(key, requirement_of(kind), value)


def requirement_of(kind: Any) -> str:
    """What a field's type asks for, to come after "must".

    >>> requirement_of(int), requirement_of(Literal["cap", "setspeed"])
    ('be a whole number', "be one of 'cap', 'setspeed'")
    """
    if get_origin(kind) is Annotated:
        for meta in kind.__metadata__:
            if isinstance(meta, msgspec.Meta) and meta.description:
                return meta.description
        return requirement_of(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return f"be one of {', '.join(repr(value) for value in get_args(kind))}"
    return _PLAIN.get(kind, f"be a {kind}")


def joined(key: str, name: str) -> str:
    """The key of a value in a section; a name that is no plain word is quoted.

    >>> joined("safety", "critical_c"), joined("", "board"), joined("sensors", "a b")
    ('safety.critical_c', 'board', "sensors.'a b'")
    """
    word = name if name.replace("-", "_").isidentifier() and name.isascii() else shown(name)
    word = word if len(word) <= _SHOWN else f"{word[:_SHOWN]}..."
    return f"{key}.{word}" if key else word


def shown(value: Any) -> str:
    r"""A value as it may stand in a message: on one line, not too long.

    >>> shown("a\nb"), len(shown("x" * 1000))
    ("'a\\nb'", 83)
    """
    text = repr(value[:_SHOWN] if isinstance(value, (str, list)) else value)
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return ascii(cut)[1:-1] if not cut.isprintable() else cut


def _unknown(raw: Mapping[str, Any], known: Mapping[str, FieldInfo], key: str) -> Iterator[str]:
    for name in raw:
        if name not in known:
            near = difflib.get_close_matches(name[:_SHOWN], known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            yield f"{joined(key, name)} must be a known key (got {shown(raw[name])}); {hint}"
