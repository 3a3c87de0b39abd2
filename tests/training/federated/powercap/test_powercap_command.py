"""Tests of the command: what it writes, what it keeps, what it refuses."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.training.federated.powercap.small import small_file


def words(tmp_path: Path) -> tuple[object, ...]:
    """A study of seconds."""
    small = small_file(tmp_path)
    return (
        *("federated", "powercap", "--out", tmp_path / "out", "--trainings", small),
        *("--boards", "jetson-nano", "--rules", "sqrt", "--caps", "3", "--seeds", "2"),
        *("--jobs", "1"),
    )


def test_a_small_study_end_to_end(ilgov: Callable[..., Any], tmp_path: Path) -> None:
    """Tables, report and results; the same command counts nothing again and says the same."""
    first = ilgov(*words(tmp_path))
    assert (0, "") == (first.code, first.stderr)
    assert "near the optimum: " in first.stdout
    out = tmp_path / "out"
    report = (out / "report.html").read_text()
    assert "Figure 3." in report
    assert "--boards jetson-nano" in report
    results = (out / "results.json").read_bytes()
    document = msgspec.json.decode(results)
    assert 3 == len(document["cells"])
    assert ["16", "128"] == list(document["counted"][0]["proxy"])
    (kept,) = (out / "cells").iterdir()
    os.utime(kept, (0, 0))
    assert first.stdout == ilgov(*words(tmp_path)).stdout
    assert (0, results) == (kept.stat().st_mtime, (out / "results.json").read_bytes())
    assert report == (out / "report.html").read_text()


def test_json_is_the_document_without_cells(ilgov: Callable[..., Any], tmp_path: Path) -> None:
    """Nothing else is printed."""
    document = msgspec.json.decode(ilgov(*words(tmp_path), "--json").stdout)
    assert (2, "fan") == (document["seeds"], document["cooling"])
    assert 4 == len(document["regrets"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--rules", "cubic"), "--rules must be 'all' or names out of constant, sqrt, linear"),
        (("--caps", "0"), "--caps must lie in 1 ... 1000 (got 0)"),
        (("--seeds", "0"), "--seeds must lie in 1 ... 400 (got 0)"),
        (("--boards", ","), "--boards must name at least one board (got ',')"),
        (("--trainings", ""), "--trainings must name at least one training (got '')"),
        (("--cooling", "ice"), "--cooling must be one of "),
        (("--boards", "nowhere"), "'nowhere'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_counted(
    ilgov: Callable[..., Any], tmp_path: Path, options: tuple[str, str], message: str
) -> None:
    """In one line, and nothing is written."""
    ended = ilgov("federated", "powercap", "--out", tmp_path / "out", *options)
    assert 0 != ended.code
    assert message in ended.stderr
    assert 1 == len(ended.stderr.splitlines())
    assert not (tmp_path / "out").exists()
