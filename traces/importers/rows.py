"""The rows of `traces.measurements` out of arrays: what a format does not know is filled in."""

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from traces.measurements import Layout, list_array, measurement_schema

_SCALARS = ("cycles_per_s", "instructions_per_s", "l2d_per_s", "work_per_s")
_LISTS = ("volt_v", "power_w", "busy_cores", "core_utilisation", "temp_c")


def rows(
    layout: Layout, count: int, known: dict[str, Any], extra: tuple[str, ...] = ()
) -> pa.Table:
    """A table of `count` rows. `known` has arrays by column, two-dimensional ones for lists.

    A single value is the same in every row. `run` and `application` must be known; so must every
    column in `extra`.
    """
    values = {name: _column(known.pop(name, None), name, layout, count) for name in _names()}
    values |= {name: _filled(known.pop(name), count, np.float64) for name in extra}
    assert not known, f"no such column: {', '.join(known)}"
    schema = measurement_schema(extra)
    return pa.table([values[name] for name in schema.names], schema=schema)


def _names() -> list[str]:
    names: list[str] = measurement_schema().names
    return names


def unknown(layout: Layout, column: str, count: int) -> np.ndarray:
    """A list column of which nothing is known, to be filled in."""
    return np.full((count, layout.length(column)), np.nan)


def _column(value: Any, name: str, layout: Layout, count: int) -> pa.Array:
    if name in ("run", "application"):
        return _strings(value, count)
    if name == "freq_hz":
        given = np.zeros((count, len(layout.clusters))) if value is None else value
        return list_array(np.rint(given).astype(np.int64))
    if name in _LISTS:
        entries = layout.length(name)
        return _nothing(entries, count) if value is None else list_array(value)
    if name in ("repeat", "instances", "cluster"):
        types = {"repeat": np.int32, "instances": np.int16, "cluster": np.int8}
        default = 0 if name == "repeat" else -1
        return _filled(default if value is None else value, count, types[name])
    default_float = np.nan if name in _SCALARS else 0.0
    return _filled(default_float if value is None else value, count, np.float64)


def _nothing(entries: int, count: int) -> pa.Array:
    """A list column of which nothing is known and nothing will be."""
    return _unknowns(entries, 1 << count.bit_length())[:count]


@lru_cache(maxsize=4)
def _unknowns(entries: int, count: int) -> pa.Array:
    """One that every batch of a file shares."""
    return list_array(np.full((count, entries), np.nan))


def _filled(value: Any, count: int, type_: type) -> pa.Array:
    array: np.ndarray = np.asarray(value, type_)
    return pa.array(np.full(count, array, type_) if array.ndim == 0 else array)


def _strings(value: Any, count: int) -> pa.Array:
    if not isinstance(value, str):
        return value if pa.types.is_string(value.type) else value.cast(pa.string())
    return repeated([value], np.zeros(count, np.int32))


def repeated(values: list[str], index: np.ndarray) -> pa.Array:
    """Strings that recur: `values` by their numbers.

    >>> repeated(["a", "b"], np.array([1, 0], np.int32)).to_pylist()
    ['b', 'a']
    """
    array = pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(values))
    return array.cast(pa.string())
