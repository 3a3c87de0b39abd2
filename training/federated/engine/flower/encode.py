"""Orders and replies as Flower's records, and back; what comes in is never trusted.

Arrays travel in numpy's own format. They are read here by their header and length, without
``np.load``: a header that asks for objects (a pickle), for more than the message holds, or for
anything but numbers is refused before a byte of it is used.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

import msgspec
import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from numpy.lib import format as npy
from numpy.typing import NDArray

from training.federated.exchange import Arrays, Order, Reply
from training.federated.models.load import fingerprints

ARRAYS, TOLD, METRICS, WHO = "arrays", "told", "metrics", "who"
"""Names of records: in orders and replies; and in the answer to who a node is."""

_NUMPY = "numpy.ndarray"
_SHOWN = 200


class Unsound(ValueError):
    """A message that holds no order or reply; the text says why."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What goes beside the arrays of a message; `names` keeps their order.

    `models` are the fingerprints of the pre-trained models that the server has read.
    """

    names: list[str]
    device: str = ""
    action: str = ""
    round: int = 0
    settings: dict[str, Any] = {}
    models: dict[str, str] = {}


def order_records(order: Order, device: str, round_: int) -> RecordDict:
    """An order to a device as it travels; what it says of the reply stays here."""
    told = Told(
        names=list(order.arrays),
        device=device,
        action=order.action,
        round=round_,
        settings=dict(order.settings),
        models=dict(fingerprints()),
    )
    return _records(order.arrays, told)


def order_of(records: RecordDict) -> tuple[Order, Told]:
    """The order, and what else it was told with; Unsound where there is none."""
    told = _told(records)
    order = Order(action=told.action, arrays=_arrays(records, told), settings=told.settings)
    return order, told


def reply_records(reply: Reply) -> RecordDict:
    """A reply as it travels."""
    records = _records(reply.arrays, Told(names=list(reply.arrays)))
    records[METRICS] = MetricRecord({name: float(value) for name, value in reply.metrics.items()})
    return records


def reply_of(records: RecordDict) -> Reply:
    """The reply; Unsound where there is none."""
    told = _told(records)
    metrics = records.metric_records.get(METRICS)
    if metrics is None:
        raise Unsound(f"must have metrics (got {sorted(records)})")
    if not all(isinstance(value, int | float) for value in metrics.values()):
        raise Unsound("metrics must be single numbers")
    numbers = {name: float(str(value)) for name, value in metrics.items()}
    return Reply(arrays=_arrays(records, told), metrics=numbers)


def _records(arrays: Arrays, told: Told) -> RecordDict:
    """Arrays are sorted by name: Flower's clipping pairs them by their place."""
    ordered = {name: Array(np.asarray(arrays[name])) for name in sorted(arrays)}
    text = msgspec.json.encode(told).decode()
    return RecordDict({ARRAYS: ArrayRecord(ordered), TOLD: ConfigRecord({"json": text})})


def _told(records: RecordDict) -> Told:
    text = (records.config_records.get(TOLD) or ConfigRecord()).get("json")
    if not isinstance(text, str):
        raise Unsound(f"must say what it is (got {sorted(records)})")
    try:
        return msgspec.json.decode(text, type=Told)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unsound(f"must say what it is: {error}") from error


def _arrays(records: RecordDict, told: Told) -> Arrays:
    found = records.array_records.get(ARRAYS)
    if found is None or sorted(found) != sorted(told.names):
        raise Unsound(f"arrays must be {sorted(told.names)} (got {sorted(found or ())})")
    return {name: array_of(found[name]) for name in told.names}


def array_of(array: Array) -> NDArray[Any]:
    """The numbers of an array from the network; Unsound where it holds anything else.

    >>> array_of(Array(np.arange(3.0)))
    array([0., 1., 2.])
    """
    if array.stype != _NUMPY:
        raise Unsound(f"arrays must be in numpy's format (got {array.stype})")
    stream = BytesIO(array.data)
    shape, in_columns, dtype = _header(stream)
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise Unsound(f"arrays must be numbers (got dtype {dtype})")
    size = math.prod(shape) * dtype.itemsize
    body = memoryview(array.data)[stream.tell() :]
    if len(body) != size:
        raise Unsound(f"an array of {shape} must have {size} bytes (got {len(body)})")
    flat = np.frombuffer(body, dtype)
    try:
        shaped = flat.reshape(shape, order="F" if in_columns else "C")
    except (OverflowError, TypeError, ValueError) as error:
        raise Unsound(f"arrays must be in numpy's format: {error}") from error
    return np.array(shaped, dtype.newbyteorder("="))


def _header(stream: BytesIO) -> tuple[Sequence[int], bool, np.dtype[Any]]:
    readers: Mapping[tuple[int, int], Callable[..., Any]] = {
        (1, 0): npy.read_array_header_1_0,
        (2, 0): npy.read_array_header_2_0,
    }
    try:
        shape, in_columns, dtype = readers[npy.read_magic(stream)](stream)
    except Exception as error:  # its parser has many: TokenError, MemoryError, RecursionError
        raise Unsound(f"arrays must be in numpy's format: {error!r}"[:_SHOWN]) from error
    return shape, in_columns, dtype
