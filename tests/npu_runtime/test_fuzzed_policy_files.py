"""Fifteen thousand damaged policy files: each is refused with a reason, or computes the same."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from npu_runtime import protobuf
from npu_runtime.errors import BadOutput, DamagedPolicyFile, PolicyFileError
from npu_runtime.load import check_parity, check_shapes, open_policy
from npu_runtime.numpy_backend import NumpyBackend
from npu_runtime.onnx_graph import read_graph
from npu_runtime.policy_file import (
    METADATA_KEY,
    MOST_BYTES,
    PolicyMetadata,
    decode_metadata,
    encode_metadata,
    graph_sha256,
    parse_policy_file,
    read_policy_file,
)

SHIPPED = sorted((Path(__file__).parents[2] / "rm" / "policies" / "shipped").glob("*.onnx"))
PATH = Path("policy.onnx")


def mutated(content: bytes, seed: int) -> bytes:
    """A file with one to four mistakes: flipped, lost, repeated or foreign bytes, or a cut."""
    rng = random.Random(seed)
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at = rng.randrange(len(damaged) or 1)
        length = rng.choice([1, 1, 2, 4, 8, 64])
        match rng.randrange(6):
            case 0:
                damaged[at : at + 1] = bytes([damaged[at] ^ (1 << rng.randrange(8))])
            case 1:
                del damaged[at : at + length]
            case 2:
                damaged[at:at] = damaged[at : at + length]
            case 3:
                damaged[at : at + length] = rng.randbytes(length)
            case 4:
                damaged[at : at + 1] = rng.choice([b"\x00", b"\xff", b"\x7f", b"\x80", b"[", b'"'])
            case _:
                del damaged[at:]
        if not damaged:
            break
    return bytes(damaged)


def signed(graph: bytes, metadata: PolicyMetadata) -> bytes:
    """A file with this graph, whatever it is, and its hash: only the back end can find fault."""
    named = replace(metadata, graph_sha256=hashlib.sha256(graph).hexdigest())
    entry = _field(1, METADATA_KEY.encode()) + _field(2, encode_metadata(named).encode())
    return b"\x08\x0a" + _field(7, graph) + _field(14, entry)


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes, as protobuf writes it."""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_five_thousand_damaged_files_are_refused_or_compute_the_same(path: Path) -> None:
    """No other error than ours; and what passes has the network that was trained, bit by bit.

    What may differ then are words of the metadata, such as the seed, and notes of ONNX.
    """
    content = path.read_bytes()
    whole = graph_sha256(content)
    reasons, passed = [], 0
    for seed in range(5000):
        damaged = mutated(content, seed)
        try:
            file = parse_policy_file(damaged, path=PATH)
            policy = open_policy(file, backend="numpy")
        except PolicyFileError as error:
            reasons.append(str(error))
        else:
            assert whole == graph_sha256(file.content)
            assert np.isfinite(policy.run(file.metadata.parity_rows()[0])).all()
            passed += 1
    assert [] == [reason for reason in reasons if not reason.startswith(f"{PATH}: ")]
    assert 5000 == len(reasons) + passed
    assert len(reasons) > 4500


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_damaged_network_with_a_matching_hash_is_refused_or_runs(path: Path) -> None:
    """Whoever writes policy files may do it wrongly: shapes, operators, names, sizes, weights."""
    whole = read_policy_file(path)
    graph = _graph(whole.content)
    outcomes = {"refused": 0, "runs": 0}
    for seed in range(2500):
        rng = random.Random(seed)
        start = rng.choice([rng.randrange(1000), rng.randrange(len(graph))])  # operators lie first
        damaged = graph[:start] + mutated(graph[start : start + 200], seed) + graph[start + 200 :]
        outcomes[outcome(signed(damaged, whole.metadata))] += 1
    assert outcomes["refused"] > 1000
    assert outcomes["runs"] > 100


def _graph(content: bytes) -> bytes:
    return next(
        value
        for number, value in protobuf.fields(content)
        if number == 7 and isinstance(value, bytes)
    )


def outcome(content: bytes) -> str:
    """What becomes of a file on the numpy back end."""
    try:
        file = parse_policy_file(content, path=PATH)
        backend = NumpyBackend(file)
        check_shapes(file, backend)
        check_parity(file, backend)
    except PolicyFileError:
        return "refused"
    return "runs"


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_any_flipped_bit_of_the_weights_is_noticed(path: Path) -> None:
    """Every 97th byte, a different bit each: the hash is over nodes and weights."""
    content = path.read_bytes()
    first = min(content.index(w.tobytes()) for w in read_graph(content).weights.values())
    last = max(content.index(w.tobytes()) + w.nbytes for w in read_graph(content).weights.values())
    for at in range(first, last, 97):
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        with pytest.raises(DamagedPolicyFile, match=r"graph_sha256 must be|must be a whole ONNX"):
            parse_policy_file(bytes(damaged), path=PATH)


@pytest.mark.parametrize("opening", ['{"schema":2,"x":' + "[" * 100_000, '{"x":' * 100_000])
def test_metadata_nested_without_end_are_refused(opening: str) -> None:
    """A parser that follows them down must not fall."""
    with pytest.raises(DamagedPolicyFile, match="must describe a policy"):
        decode_metadata(opening, origin="here")


@pytest.mark.parametrize("value", [1e39, -1e300])
def test_parity_rows_that_are_no_float32_are_refused(toy: SimpleNamespace, value: float) -> None:
    """They would become infinite without a word."""
    content = toy.described(toy.network(), parity_outputs=((value, 0.0),) * 3)
    with pytest.raises(DamagedPolicyFile, match="parity_outputs must be float32"):
        parse_policy_file(content, path=PATH)


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    """A sparse file of a terabyte costs 16 MiB."""
    path = tmp_path / "huge.onnx"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(DamagedPolicyFile, match=r"must be at most 16 MiB"):
        read_policy_file(path)
    assert 16 << 20 == MOST_BYTES


@given(st.binary(max_size=200))
def test_no_bytes_make_the_graph_reader_fail_otherwise(content: bytes) -> None:
    """ValueError, or a graph."""
    try:
        read_graph(content)
    except ValueError:
        return


@given(st.lists(st.integers(0, (1 << 64) - 1)))
def test_packed_integers_come_back(numbers: list[int]) -> None:
    """As protobuf packs them."""
    assert numbers == list(protobuf.varints(b"".join(_varint(number) for number in numbers)))


def _varint(number: int) -> bytes:
    return bytes(_sevens(number))


def _sevens(number: int) -> Iterator[int]:
    while number > 0x7F:
        yield number & 0x7F | 0x80
        number >>= 7
    yield number


def test_scores_of_a_file_that_passed_are_still_checked(toy: SimpleNamespace) -> None:
    """A network may overflow on rows that its parity rows do not cover."""
    weights = np.float32(1e30) * toy.weights
    outputs = tuple(map(tuple, (toy.rows @ weights).tolist()))
    file = parse_policy_file(toy.described(toy.network(weights), parity_outputs=outputs), path=PATH)
    with pytest.raises(BadOutput):
        open_policy(file, backend="numpy").run(np.array([[1e30, 0.0]], np.float32))
