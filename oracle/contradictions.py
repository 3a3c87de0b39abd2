"""What keeps a sound file of traces from being taken for sweeps of scenarios."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def contradictions(traces: pa.Table) -> Iterator[str]:
    """What forbids to take sound traces for sweeps, as ``what requirement (got value)``.

    In the order of the rows. Two recordings laid end to end are like that: both have a scenario 0.
    """
    numbers = traces.column("scenario").to_numpy()
    cores = traces.column("application_core").to_numpy()
    opps = _lists(traces.column("opp_index"))[1].reshape(len(traces), -1)
    found = [
        *((index, _MIXED) for index in _unlike_first(traces, numbers)),
        *((index, _TAKEN) for index in _on_a_taken_core(traces, cores)),
        *((index, _TWICE) for index in _repeated(np.column_stack([numbers, cores, opps]))),
    ]
    for index, text in sorted(found):
        run = traces.slice(index, 1).to_pylist()[0]
        yield text.format(row=index, **run)


_MIXED = (
    "scenario {scenario} must be one application among the same others on the same cores (got "
    "{application} among {background} on {background_cores} in row {row})"
)
_TAKEN = "application_core must be none of background_cores (got {application_core} in row {row})"
_TWICE = (
    "scenario {scenario} must have a core at some operating points once "
    "(got core {application_core} at {opp_index} again in row {row})"
)


def _unlike_first(traces: pa.Table, numbers: NDArray[np.int64]) -> list[int]:
    """The rows that do not have the applications of the first row of their scenario."""
    names = ("application", "background", "background_cores")
    codes = np.column_stack([_codes(traces.column(name)) for name in names])
    _, first, scenario = np.unique(numbers, return_index=True, return_inverse=True)
    unlike: list[int] = np.flatnonzero((codes != codes[first][scenario]).any(axis=1)).tolist()
    return unlike


def _codes(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Integers that are equal where the values (or the lists) are."""
    values = column.combine_chunks()
    if pa.types.is_list(values.type):
        values = pc.binary_join(pc.cast(values, pa.list_(pa.string())), "\0")
    codes: NDArray[np.int64] = values.dictionary_encode().indices.to_numpy()
    return codes


def _lists(column: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """The row of each value of a column of lists, and the values."""
    lists = column.combine_chunks()
    return pc.list_parent_indices(lists).to_numpy(), lists.flatten().to_numpy()


def _on_a_taken_core(traces: pa.Table, cores: NDArray[np.int64]) -> list[int]:
    """The rows whose application of interest is where a background application is."""
    row, taken = _lists(traces.column("background_cores"))
    rows: list[int] = np.unique(row[cores[row] == taken]).tolist()
    return rows


def _repeated(places: NDArray[np.int64]) -> list[int]:
    """The rows that an earlier row is equal to."""
    order = np.lexsort(places.T)  # stable: of equal ones the earliest comes first
    ordered = places[order]
    again = (ordered[1:] == ordered[:-1]).all(axis=1)
    rows: list[int] = order[1:][again].tolist()
    return rows
