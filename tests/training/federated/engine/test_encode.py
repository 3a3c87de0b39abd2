"""Tests of how orders and replies travel: exactly, and never as anything but numbers."""

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.federated.engine.flower.encode import (
    Unsound,
    array_of,
    order_of,
    order_records,
    reply_of,
    reply_records,
)
from training.federated.exchange import Order, Reply

ARRAYS: dict[str, NDArray[Any]] = {
    "z.weight": np.array([[1.0, 0.1], [1e-40, -0.0]], np.float32),
    "a.bias": np.float64(np.pi) * np.ones(()),
    "m.seeds": np.array([2**62, -1], np.int64),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "empty": np.zeros((0, 4)),
}


class Trap:
    """A pickle that leaves a trace when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


def as_array(data: bytes, stype: str = "numpy.ndarray") -> Array:
    """An array as a node may send it."""
    return Array("float32", (1,), stype, data)


def saved(array: NDArray[Any], *, pickled: bool = False) -> bytes:
    """What numpy writes."""
    stream = BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


def test_an_order_arrives_as_it_was_bit_for_bit_and_in_order() -> None:
    """Sums run over arrays in their order: another order would be another sum."""
    settings = {
        "round": 3,
        "rate": 0.1,
        "seed": 2**62 + 1,
        "name": "ü",
        "ranks": [1, 2],
        "on": True,
    }
    order = Order(action="adapt", arrays=ARRAYS, settings=settings)
    arrived, told = order_of(order_records(order, "agx-1", 7))
    assert ("adapt", "agx-1", 7) == (arrived.action, told.device, told.round)
    assert settings == arrived.settings
    assert [type(value) for value in settings.values()] == [
        type(value) for value in arrived.settings.values()
    ]
    same(ARRAYS, arrived.arrays)


def test_a_reply_arrives_as_it_was_bit_for_bit_and_in_order() -> None:
    """Metrics are of 64 bits on the way."""
    reply = Reply(arrays=ARRAYS, metrics={"samples": 3, "loss": 0.1})
    arrived = reply_of(reply_records(reply))
    same(ARRAYS, arrived.arrays)
    assert {"samples": 3.0, "loss": 0.1} == arrived.metrics


def same(expected: dict[str, NDArray[Any]], got: Any) -> None:
    """Names in order, types, shapes, layout and bytes."""
    assert list(expected) == list(got)
    for name, array in expected.items():
        assert (array.dtype, array.shape) == (got[name].dtype, got[name].shape)
        assert array.flags.f_contiguous == got[name].flags.f_contiguous
        assert array.tobytes() == got[name].tobytes()


def test_a_pickled_array_is_refused_and_nothing_of_it_runs(tmp_path: Path) -> None:
    """An array of objects is a pickle; loading it would run what it says."""
    trace = tmp_path / "ran"
    data = saved(np.array([Trap(trace)], dtype=object), pickled=True)
    with pytest.raises(Unsound, match="must be numbers \\(got dtype object\\)"):
        array_of(as_array(data))
    assert not trace.exists()
    np.load(BytesIO(data), allow_pickle=True)
    assert trace.exists(), "the trap works where pickles are loaded"


def test_flower_itself_refuses_a_pickled_array(tmp_path: Path) -> None:
    """What Flower's own wrappers read before we do must be as careful."""
    data = saved(np.array([Trap(tmp_path / "ran")], dtype=object), pickled=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        as_array(data).numpy()
    assert not (tmp_path / "ran").exists()


def test_a_bare_pickle_is_no_array(tmp_path: Path) -> None:
    """Not everything that is sent begins as numpy's files do."""
    with pytest.raises(Unsound, match="numpy's format"):
        array_of(as_array(pickle.dumps(Trap(tmp_path / "ran"))))
    assert not (tmp_path / "ran").exists()


def test_an_array_that_says_it_is_larger_than_the_message_is_refused() -> None:
    """A header of some bytes must not make the server ask for terabytes."""
    data = saved(np.zeros((1, 1))).replace(b"(1, 1)", b"(9999999, 9999999)")
    with pytest.raises(Unsound, match=r"format|bytes"):
        array_of(as_array(data))
    stream = BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"shape": (10**6, 10**6), "fortran_order": False, "descr": "<f8"}
    )
    with pytest.raises(Unsound, match=r"must have 8000000000000 bytes \(got 4\)"):
        array_of(as_array(stream.getvalue() + b"more"))


@pytest.mark.parametrize("dtype", ["U4", "S4", "datetime64[s]", "complex64", "longdouble", "V8"])
def test_only_real_numbers_are_arrays(dtype: str) -> None:
    """Text, dates and complex numbers have no business in a model."""
    with pytest.raises(Unsound, match="must be numbers"):
        array_of(as_array(saved(np.zeros(2, dtype))))


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -1)}", 8),
        (f"{{'descr': '<f8', 'fortran_order': False, 'shape': (0, {2**70})}}", 0),
        (f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({'1,' * 70})}}", 8),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", 8),
        ("{'descr': (", 0),
        ("'''", 0),
        ("-" * 9000 + "1", 0),
        ("(" * 5000, 0),
    ],
)
def test_a_header_that_misleads_numpys_reader_is_refused(header: str, body: int) -> None:
    """Each of these is another error of Python's or numpy's; none may end a run of all devices."""
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + b"\0" * body
    with pytest.raises(Unsound, match=r"numpy's format|must have"):
        array_of(as_array(data))


def test_numbers_of_the_other_byte_order_become_this_machines_own() -> None:
    """PyTorch takes no others: a server would fail long after the reply was found sound."""
    array = array_of(as_array(saved(np.array([1.0, 2.0], ">f4"))))
    assert np.dtype(np.float32) == array.dtype
    assert [1.0, 2.0] == array.tolist()


def test_text_that_nests_too_deep_is_no_reply() -> None:
    """A few kilobytes of brackets are more than any reader's stack."""
    text = '{"names": [], "settings": {"a": ' + "[" * 100_000 + "]" * 100_000 + "}}"
    with pytest.raises(Unsound, match="must say what it is"):
        reply_of(RecordDict({"told": ConfigRecord({"json": text})}))


@given(st.binary(max_size=200), st.booleans())
def test_whatever_bytes_come_the_answer_is_an_array_or_unsound(data: bytes, begun: bool) -> None:
    """A node may send anything; no other error may reach the run."""
    head = saved(np.arange(3.0))[:20] if begun else b""
    try:
        array_of(as_array(head + data))
    except Unsound:
        return
    pytest.fail("bytes by chance are no array")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (RecordDict(), "must say what it is"),
        (RecordDict({"told": ConfigRecord({"json": "{"})}), "must say what it is"),
        (RecordDict({"told": ConfigRecord({"json": '{"names": 3}'})}), "must say what it is"),
        (RecordDict({"told": ConfigRecord({"json": b"{}"})}), "must say what it is"),
        (RecordDict({"told": ConfigRecord({"json": '{"names": []}'})}), "must have metrics"),
        (
            RecordDict(
                {
                    "told": ConfigRecord({"json": '{"names": ["w"]}'}),
                    "metrics": MetricRecord({"samples": 1.0}),
                    "arrays": ArrayRecord(),
                }
            ),
            "arrays must be \\['w'\\] \\(got \\[\\]\\)",
        ),
        (
            RecordDict(
                {
                    "told": ConfigRecord({"json": '{"names": []}'}),
                    "metrics": MetricRecord({"samples": [1.0, 2.0]}),
                    "arrays": ArrayRecord(),
                }
            ),
            "single numbers",
        ),
        (
            RecordDict(
                {
                    "told": ConfigRecord({"json": '{"names": ["w"]}'}),
                    "metrics": MetricRecord({"samples": 1.0}),
                    "arrays": ArrayRecord({"w": as_array(b"", stype="torch.pickle")}),
                }
            ),
            "must be in numpy's format \\(got torch.pickle\\)",
        ),
    ],
)
def test_what_is_no_reply_is_unsound_with_the_reason(content: RecordDict, reason: str) -> None:
    """The reason stands in the run's list of failures."""
    with pytest.raises(Unsound, match=reason):
        reply_of(content)
