"""Tests of what crosses the border to a process that may have run wild."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_runtime.canary import Canary
from npu_runtime.isolation_messages import (
    ANSWER,
    FAILED,
    MOST_BYTES,
    REQUEST,
    most_rows,
    packed_rows,
    packed_text,
    unpacked,
)
from npu_runtime.policy_file import PolicyFile, parse_policy_file
from tests.npu_runtime import conftest

FILE = parse_policy_file(conftest.described(conftest.network()), path=conftest.Path("policy.onnx"))


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), sequence=st.integers(0, 2**32 - 1))
def test_rows_come_back_bit_by_bit(rows: int, columns: int, sequence: int) -> None:
    """NaN included."""
    matrix = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    matrix[0, 0] = np.nan
    message = unpacked(packed_rows(REQUEST, sequence, matrix))
    assert (REQUEST, sequence) == (message.kind, message.sequence)
    assert matrix.tobytes() == message.matrix.tobytes()
    assert matrix.shape == message.matrix.shape


def test_rows_in_another_order_of_memory_come_back() -> None:
    """Transposed views are no trap."""
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3).T
    np.testing.assert_array_equal(matrix, unpacked(packed_rows(ANSWER, 1, matrix)).matrix)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_message_or_refused(packet: bytes) -> None:
    """ValueError, and nothing else; neither by the header nor by the rows behind it."""
    for content in (packet, b"ilg1" + packet):
        try:
            message = unpacked(content)
            assert isinstance(message.text, str)
            assert message.rows * message.columns == message.matrix.size
        except ValueError:
            pass


def test_long_texts_are_cut_off() -> None:
    """A traceback of a megabyte still fits into one packet."""
    packet = packed_text(FAILED, "x" * 10_000_000)
    assert MOST_BYTES == len(packet)
    assert unpacked(packet).text.startswith("xxx")


@pytest.mark.parametrize("widths", [(21, 8), (34, 1), (1, 500)])
def test_the_most_rows_fit_into_a_packet(widths: tuple[int, int]) -> None:
    """Features as well as scores."""
    count = most_rows(*widths)
    for width in widths:
        assert len(packed_rows(ANSWER, 1, np.zeros((count, width), np.float32))) <= MOST_BYTES


def scores_of(rows: np.ndarray) -> np.ndarray:
    """What the toy network gives."""
    return rows @ conftest.WEIGHTS


def test_right_scores_of_the_canary_pass() -> None:
    """In every turn, and within the tolerance."""
    canary = Canary(FILE)
    for _ in range(4):
        batch = canary.added_to(conftest.ROWS)
        assert len(conftest.ROWS) + 1 == len(batch)
        assert canary.problem(scores_of(batch)) is None
        assert canary.problem(scores_of(batch) + np.float32(0.01)) is None


@pytest.mark.parametrize("fault", [np.zeros_like, lambda s: s * np.nan, lambda s: -s, np.ones_like])
def test_wrong_scores_of_the_canary_are_told(fault: object) -> None:
    """In every turn: neither of the known rows scores near zero."""
    assert callable(fault)
    canary = Canary(FILE)
    for _ in range(2):
        batch = canary.added_to(conftest.ROWS)
        assert "its scores of a known row must be" in str(canary.problem(fault(scores_of(batch))))


def test_the_canaries_take_turns() -> None:
    """So that an old answer is a wrong one."""
    canary = Canary(FILE)
    old = scores_of(canary.added_to(conftest.ROWS))
    canary.added_to(conftest.ROWS)
    assert canary.problem(old) is not None


def test_one_parity_row_makes_one_canary() -> None:
    """Better than none."""
    only = conftest.described(
        conftest.network(),
        parity_inputs=((1e9, 0.5),),
        parity_outputs=(tuple(scores_of(np.array([[1e9, 0.5]], np.float32))[0].tolist()),),
    )
    file: PolicyFile = parse_policy_file(only, path=conftest.Path("policy.onnx"))
    canary = Canary(file)
    for _ in range(2):
        batch = canary.added_to(conftest.ROWS)
        assert canary.problem(scores_of(batch)) is None
        assert canary.problem(np.zeros_like(scores_of(batch))) is not None
