"""Tests of the Q-table file: what is written is read, and what is not whole or fits not is told."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from platforms.board import Board
from platforms.board_file import load_board, shipped_boards
from platforms.errors import InvalidInput
from rm.policies.q_learning import LearningParameters
from rm.policies.q_state import components, state_count
from rm.policies.q_table import (
    QTable,
    QTableMetadata,
    action_names,
    check_fits,
    read_q_table,
    write_q_table,
)
from tests.rm.readings import HIKEY
from traces.schema import board_digest


def drawn_table(board: Board = HIKEY, seed: int = 0) -> QTable:
    """A table of a board with random values."""
    metadata = QTableMetadata(
        board=board.name,
        board_sha256=board_digest(board),
        cooling="fan",
        applications=("one", "other"),
        applications_sha256="0" * 64,
        components=components(board),
        actions=action_names(board),
        parameters=LearningParameters(),
        training={"episodes": 0, "seed": seed},
    )
    shape = state_count(metadata.components), len(metadata.actions)
    values = np.random.default_rng(seed).normal(150.0, 50.0, shape)
    return QTable(metadata=metadata, values=values.astype(np.float32))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file with the table of the HiKey 970."""
    path = tmp_path / "table.npz"
    write_q_table(path, drawn_table())
    return path


def altered(path: Path, **fields: object) -> Path:
    """The same file with other metadata; None leaves a field out."""
    with np.load(path) as arrays:
        values, document = arrays["values"], msgspec.json.decode(arrays["metadata"].tobytes())
    document = {k: v for k, v in (document | fields).items() if v is not None}
    text = np.frombuffer(msgspec.json.encode(document), dtype=np.uint8)
    np.savez(path, values=values, metadata=text)
    return path


@pytest.mark.parametrize("name", shipped_boards())
def test_what_is_written_is_read_again(name: str, tmp_path: Path) -> None:
    """Values and metadata, on boards of two clusters and of three."""
    board = load_board(name)
    table = drawn_table(board)
    write_q_table(tmp_path / "table.npz", table)
    again = read_q_table(tmp_path / "table.npz")
    assert table.metadata == again.metadata
    assert np.array_equal(table.values, again.values)
    check_fits(again, board, origin="table.npz")


def test_equal_tables_make_equal_files(tmp_path: Path) -> None:
    """No time stamp, so that a file can be compared with what its command makes."""
    for name in ("a.npz", "b.npz", "other.npz"):
        write_q_table(tmp_path / name, drawn_table(seed=int(name == "other.npz")))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "a.npz").read_bytes() != (tmp_path / "other.npz").read_bytes()


def test_a_file_that_is_missing_or_a_folder_is_told(tmp_path: Path) -> None:
    """With the command that makes such files."""
    for path, found in ((tmp_path / "none.npz", "no such file"), (tmp_path, "a folder")):
        with pytest.raises(InvalidInput, match=rf"must be a Q-table \({found}\).*train-toprl"):
            read_q_table(path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_is_cut_off_is_told(written: Path, share: float) -> None:
    """A copy that broke off, or no table at all."""
    content = written.read_bytes()
    written.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InvalidInput, match=r"table\.npz: must be a whole Q-table \("):
        read_q_table(written)


def test_a_file_whose_bytes_changed_is_told(written: Path) -> None:
    """The archive's checksums see it."""
    content = bytearray(written.read_bytes())
    content[len(content) // 2] ^= 0xFF
    written.write_bytes(bytes(content))
    with pytest.raises(InvalidInput, match="must be a whole Q-table"):
        read_q_table(written)


def test_another_numpy_archive_is_no_table(tmp_path: Path) -> None:
    """Its arrays have other names; one with objects in it is not even looked into."""
    np.savez(tmp_path / "other.npz", numbers=np.arange(3))
    np.savez(tmp_path / "objects.npz", values=np.array([{}]), metadata=np.zeros(1))
    np.save(tmp_path / "array.npz", np.arange(3))
    (tmp_path / "array.npz.npy").rename(tmp_path / "array.npz")
    for name in ("other", "objects", "array"):
        with pytest.raises(InvalidInput, match="must be a whole Q-table"):
            read_q_table(tmp_path / f"{name}.npz")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 9}, r"kind and schema must be 'toprl' and 1 \(got 'toprl' and 9\)"),
        ({"kind": "dqn"}, r"kind and schema must be 'toprl' and 1 \(got 'dqn' and 1\)"),
        ({"board": None}, "metadata must describe a Q-table .*`board`"),
        ({"colour": "red"}, "metadata must describe a Q-table .*`colour`"),
        ({"actions": ["little"]}, r"values must be float32 of shape \(3200, 1\).*\(3200, 2\)"),
        ({"components": []}, r"values must be float32 of shape \(1, 2\)"),
    ],
)
def test_metadata_that_say_something_else_are_told(
    written: Path, fields: dict[str, object], message: str
) -> None:
    """Every refusal names the file, the requirement, what came, and the way out."""
    with pytest.raises(InvalidInput, match=rf"table\.npz: {message}.*'ilgov train-toprl'"):
        read_q_table(altered(written, **fields))


def test_constants_that_cannot_learn_are_told(written: Path) -> None:
    """The same limits as on the command line."""
    bad = msgspec.to_builtins(LearningParameters()) | {"discount": 1.5}
    with pytest.raises(InvalidInput, match=r"discount must lie in 0\.0 \.\.\. 0\.999 \(got 1\.5\)"):
        read_q_table(altered(written, parameters=bad))


def test_values_that_are_not_finite_are_told(tmp_path: Path) -> None:
    """A training that went astray would decide at random."""
    table = drawn_table()
    table.values[7, 1] = np.nan
    write_q_table(tmp_path / "table.npz", table)
    with pytest.raises(InvalidInput, match=r"values must be finite \(got 1 that are not\)"):
        read_q_table(tmp_path / "table.npz")


def test_a_table_of_another_board_is_refused() -> None:
    """With the command that makes the right one."""
    with pytest.raises(
        InvalidInput,
        match=r"t\.npz: board must be 'rk3588' \(got 'hikey970'\); .*train-toprl --board rk3588",
    ):
        check_fits(drawn_table(), load_board("rk3588"), origin="t.npz")


def test_a_table_of_a_board_that_was_described_otherwise_is_refused() -> None:
    """Its name alone does not make it the same board; a further cooling setup changes nothing."""
    protection = HIKEY.protection
    assert protection is not None
    warmer = replace(HIKEY, protection=replace(protection, target_c=70.0))
    with pytest.raises(InvalidInput, match="board_sha256 must be that of the board 'hikey970'"):
        check_fits(drawn_table(), warmer, origin="t.npz")
    check_fits(drawn_table(), replace(HIKEY, cooling=HIKEY.cooling[:1]), origin="t.npz")


def test_a_table_with_other_states_is_refused() -> None:
    """Rows would mean something else."""
    table = drawn_table()
    other = replace(table.metadata, components=table.metadata.components[::-1])
    with pytest.raises(InvalidInput, match="components must be the states that this version"):
        check_fits(QTable(metadata=other, values=table.values), HIKEY, origin="t.npz")
