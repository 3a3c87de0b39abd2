"""Tests of finished pieces that are kept: found by all that they depend on, whole or never."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.training.federated.toy import NAME, toy_setup
from training.federated.compare import code_digest as code_digest_module
from training.federated.compare.code_digest import closure, code_digest
from training.federated.compare.kept import (
    Keeper,
    Piece,
    cpu_s_of,
    do_piece,
    find_kept,
    outcome_of,
    result_of,
)
from training.federated.compare.play import play_cell
from training.federated.study import Cell, Job

CELL = Cell(stage="final", setup=toy_setup(), rounds=2)


def test_an_outcome_comes_back_as_it_was(tmp_path: Path) -> None:
    """To the last bit."""
    piece = Keeper(tmp_path).place(NAME, CELL)
    assert find_kept(piece) is None
    ticks = iter((10.0, 12.5))
    assert 2.5 == do_piece(piece, clock=lambda: next(ticks))
    assert play_cell(CELL) == outcome_of(piece)
    assert 2.5 == cpu_s_of(piece)


def test_a_jobs_result_comes_back(tmp_path: Path) -> None:
    """Whatever JSON can hold."""
    job = Job(name="twice", call="math:hypot", arguments={})
    piece = Keeper(tmp_path).place(NAME, job)
    with pytest.raises(FileNotFoundError, match="must be there"):
        result_of(piece)
    do_piece(piece)
    assert 0.0 == result_of(piece)


def test_an_error_says_in_which_piece_it_was(tmp_path: Path) -> None:
    """A study has hundreds of them."""
    piece = Keeper(tmp_path).place(NAME, replace(CELL, setup=toy_setup(options={"steps": "many"})))
    with pytest.raises(ValueError, match="options of") as caught:
        do_piece(piece)
    assert ["In final run of toy on plane, seed 0 (steps many)"] == caught.value.__notes__


@pytest.mark.parametrize("content", ["", '{"cpu_s": 1.0, "outcome"', "{}"])
def test_a_damaged_piece_is_done_again(tmp_path: Path, content: str) -> None:
    """A power cut may leave a torn file."""
    piece = Keeper(tmp_path).place(NAME, CELL)
    do_piece(piece)
    piece.path.write_text(content)
    assert find_kept(piece) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda cell: replace(cell, rounds=3),
        lambda cell: replace(cell, stage="robust"),
        lambda cell: replace(cell, drop_share=0.1),
        lambda cell: replace(cell, setup=toy_setup(seed=1)),
        lambda cell: replace(cell, setup=toy_setup(options={"steps": 3})),
    ],
)
def test_whatever_a_cell_is_makes_another_one(
    tmp_path: Path, change: Callable[[Cell], Cell]
) -> None:
    """What was kept for one must not be taken for the other."""
    keeper = Keeper(tmp_path)
    assert keeper.place(NAME, CELL) == Keeper(tmp_path).place(NAME, replace(CELL))
    assert keeper.place(NAME, CELL).path != keeper.place(NAME, change(CELL)).path


def test_the_content_of_a_fleets_file_counts(tmp_path: Path) -> None:
    """The path is the same, the devices are not."""
    fleet = tmp_path / "fleet.toml"

    def place() -> Piece:
        cell = replace(CELL, setup=toy_setup(fleet=str(fleet)))
        return Keeper(tmp_path).place(NAME, cell)

    fleet.write_text("one")
    first = place()
    assert first == place()
    fleet.write_text("two")
    assert first != place()


def test_the_code_that_a_run_imports_counts_and_no_other() -> None:
    """A better plot must not make all runs invalid; a better system must."""
    found = closure([play_cell.__module__, "tests.training.federated.toy"])
    for name in ("rounds", "engine.inprocess", "fleet", "dice", "exchange"):
        assert f"training.federated.{name}" in found
    assert "tests.training.federated.toy" in found
    assert not any("report" in name or "figures" in name for name in found)
    assert not any("flower" in name for name in found)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A third party's system: its package names a study, and loads its server late."""
    package = tmp_path / "somewhere_else"
    package.mkdir()
    lines = (
        "def server():",
        "    from somewhere_else import server",
        "import somewhere_else.study",
    )
    (package / "__init__.py").write_text("\n".join(lines))
    (package / "server.py").write_text("import json\n")
    (package / "study.py").write_text("import somewhere_else.study_tables\n")
    (package / "study_tables.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    clear_code_digest_cache()
    return package


def clear_code_digest_cache() -> None:
    """Let changed files be seen: a process reads each of them once."""
    for cached in (code_digest_module._code, code_digest_module._tree, code_digest_module._file):
        cached.cache_clear()


def digest() -> str:
    """The digest of that system."""
    clear_code_digest_cache()
    return code_digest(["somewhere_else"])


def test_imports_inside_functions_count(package: Path) -> None:
    """Systems load torch and what needs it late."""
    first = digest()
    assert first == digest()
    (package / "server.py").write_text("import sys\n")
    assert first != digest()


def test_a_study_does_not_count_for_runs_unless_something_else_needs_it(package: Path) -> None:
    """A better table must not make hours of runs invalid."""
    first = digest()
    (package / "study.py").write_text("import somewhere_else.study_tables, sys\n")
    assert first == digest()
    (package / "server.py").write_text("import somewhere_else.study\n")
    needed = digest()
    (package / "study_tables.py").write_text("import sys\n")
    assert needed != digest()


def test_comments_and_docstrings_do_not_count(package: Path) -> None:
    """They change nothing in a run; other text does."""
    server = package / "server.py"
    server.write_text("def f():\n    return 'a'\n")
    first = digest()
    server.write_text('"""New."""\n# news\ndef f():\n    """More."""\n    return "a"\n')
    assert first == digest()
    server.write_text("def f():\n    return 'b'\n")
    assert first != digest()


def test_half_written_files_are_swept_away(tmp_path: Path) -> None:
    """What a killed process left behind."""
    keeper = Keeper(tmp_path)
    keeper.folder.mkdir()
    rest = keeper.folder / ".abc.json.1234.part"
    rest.write_text("{")
    keeper.sweep()
    assert not rest.exists()


def test_replies_that_were_left_out_are_counted() -> None:
    """Not those that were to be lost: a rate at which the toy runs off to infinity."""
    wild = toy_setup(options={"learning_rate": 1e308, "steps": 8})
    with np.errstate(all="ignore"):
        outcome = play_cell(replace(CELL, setup=wild))
    assert outcome.notes["unsound replies"] > 0
    assert "unsound replies" not in play_cell(replace(CELL, drop_share=0.5)).notes
