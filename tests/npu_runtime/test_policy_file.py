"""Tests of policy files: whole ones are read, and each way to be broken has its own message."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npu_runtime import protobuf
from npu_runtime.errors import DamagedPolicyFile, MissingPolicyFile, PolicyFileError, WrongSchema
from npu_runtime.policy_file import decode_metadata, encode_metadata, read_policy_file

Write = Callable[[bytes], Path]


def test_metadata_come_back_as_they_were_written(toy: SimpleNamespace, policy_path: Path) -> None:
    """The feature table decides whether a policy may run, so nothing may change on the way."""
    metadata = read_policy_file(policy_path).metadata
    assert toy.features == metadata.features
    assert toy.outputs == metadata.outputs
    assert ("ab" * 32, "fan") == (metadata.board_sha256, metadata.cooling)
    assert {"alpha_per_k": 1.0, "current": "free", "seed": 0} == metadata.oracle
    assert metadata == decode_metadata(encode_metadata(metadata), origin="here")


def test_constants_come_back_bit_by_bit(toy: SimpleNamespace, write: Write) -> None:
    """Numbers that the training measured, for the policy beside its network."""
    constants = {"stall_s_per_cycle": 1.234567901234568e-11, "cycles_on_little": 1 / 3}
    path = write(toy.described(toy.network(), constants=constants))
    assert constants == read_policy_file(path).metadata.constants


def test_a_policy_needs_no_constants(policy_path: Path) -> None:
    """Nor does one that was written before there were any."""
    metadata = read_policy_file(policy_path).metadata
    assert {} == metadata.constants
    before = encode_metadata(metadata).replace(',"constants":{}', "")
    assert "constants" not in before
    assert metadata == decode_metadata(before, origin="here")


def test_parity_rows_come_back_bit_by_bit(toy: SimpleNamespace, policy_path: Path) -> None:
    """Decimal text must not round what the check at load compares."""
    rows, scores = read_policy_file(policy_path).metadata.parity_rows()
    assert toy.rows.tobytes() == rows.tobytes()
    assert (toy.rows @ toy.weights).tobytes() == scores.tobytes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A typing mistake is not a damaged file."""
    with pytest.raises(MissingPolicyFile, match=r"p\.onnx: must be a policy file \(no such file\)"):
        read_policy_file(tmp_path / "p.onnx")
    with pytest.raises(MissingPolicyFile, match=r"must be a policy file \(a folder\)"):
        read_policy_file(tmp_path)


def test_an_empty_file_is_called_empty(write: Write) -> None:
    """An interrupted copy often leaves one."""
    with pytest.raises(DamagedPolicyFile, match=r"policy\.onnx: .*\(it is empty: 0 bytes\); train"):
        read_policy_file(write(b""))


@pytest.mark.parametrize(
    "content", [b"PAR1 is no ONNX", b'{"a": 1}', b"\x08\x0a", b"\xff" * 40, b"\x3a\x00"]
)
def test_what_is_no_onnx_file_is_refused(write: Write, content: bytes) -> None:
    """Whatever the bytes are, the error is ours."""
    with pytest.raises(DamagedPolicyFile, match="must be a whole ONNX file"):
        read_policy_file(write(content))


def test_a_file_cut_off_anywhere_is_refused(
    toy: SimpleNamespace, policy_path: Path, write: Write
) -> None:
    """No length of a prefix passes for a policy."""
    content = policy_path.read_bytes()
    for length in range(len(content)):
        with pytest.raises(DamagedPolicyFile):
            read_policy_file(write(content[:length]))


def test_a_flipped_byte_in_the_weights_is_noticed(
    toy: SimpleNamespace, policy_path: Path, write: Write
) -> None:
    """The back end itself would load it and score wrongly."""
    content = bytearray(policy_path.read_bytes())
    content[content.index(toy.weights.tobytes())] ^= 0x01
    with pytest.raises(DamagedPolicyFile, match=r"graph_sha256 must be .* weights were altered"):
        read_policy_file(write(bytes(content)))


def test_rewriting_the_file_with_onnx_keeps_it_valid(policy_path: Path) -> None:
    """Tools that add a note of their own do not damage a policy."""
    before = read_policy_file(policy_path).metadata
    model = onnx.load(policy_path)
    model.metadata_props.add(key="note", value="for the lab")
    model.doc_string = "x"
    onnx.save(model, policy_path)
    assert before == read_policy_file(policy_path).metadata


def test_a_foreign_onnx_network_is_no_policy(toy: SimpleNamespace, write: Write) -> None:
    """Without ilgov's metadata nobody knows what its inputs mean."""
    model = toy.network()
    with pytest.raises(DamagedPolicyFile, match=r"metadata 'ilgov' must be there \(got none\)"):
        read_policy_file(write(model.SerializeToString()))
    model.metadata_props.add(key="author", value="me")
    with pytest.raises(DamagedPolicyFile, match=r"\(got author\): an ONNX network, but no policy"):
        read_policy_file(write(model.SerializeToString()))


def test_another_schema_is_refused_with_the_way_out(toy: SimpleNamespace, write: Write) -> None:
    """After an update a user learns to train again, not that the file is damaged."""
    content = toy.described(toy.network(), schema=1)
    with pytest.raises(WrongSchema, match=r"schema must be 2 \(got 1\); train the policy again"):
        read_policy_file(write(content))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": ("core0", "core0")}, "outputs must be unique"),
        ({"features": ()}, "features.index must count 0, 1, 2"),
        ({"parity_inputs": (), "parity_outputs": ()}, "must be pairs, at least one .got 0 and 0"),
        ({"parity_inputs": ((1.0,),) * 3}, "parity_inputs must have 2 columns .got 1"),
        ({"parity_inputs": ((float("nan"), 0.0),) * 3}, "must describe a policy .*parity_inputs"),
        ({"seed": None}, "must describe a policy .*seed"),
        ({"constants": {"stall": float("nan")}}, "must describe a policy .*constants"),
    ],
)
def test_metadata_that_contradict_themselves_are_refused(
    toy: SimpleNamespace, write: Write, changes: dict[str, object], message: str
) -> None:
    """The field is named, and the file never reaches a back end."""
    content = toy.described(toy.network(), **changes)
    with pytest.raises(DamagedPolicyFile, match=message):
        read_policy_file(write(content))


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"schema": "one"}', '{"schema": 2}'])
def test_metadata_that_are_no_document_are_refused(text: str) -> None:
    """Broken text is the file's fault, not a crash."""
    with pytest.raises(DamagedPolicyFile, match="here: metadata 'ilgov' must describe a policy"):
        decode_metadata(text, origin="here")


@given(st.binary(max_size=60))
def test_the_walk_over_a_message_ends_or_refuses(content: bytes) -> None:
    """No bytes make it hang, index out of range, or yield more than it was given."""
    try:
        found = list(protobuf.fields(content))
    except ValueError:
        return
    assert sum(len(value) for _, value in found if isinstance(value, bytes)) <= len(content)


def test_every_reason_is_a_policy_file_error() -> None:
    """The governor falls back on any of them with one except clause."""
    from npu_runtime import errors

    for name in ("Missing", "Damaged"):
        assert issubclass(getattr(errors, f"{name}PolicyFile"), PolicyFileError)
    for name in ("WrongSchema", "WrongBoard", "WrongFeatures", "WrongShape"):
        assert issubclass(getattr(errors, name), PolicyFileError)
