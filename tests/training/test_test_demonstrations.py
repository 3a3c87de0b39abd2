"""A policy is judged on applications that had no part in making it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from platforms.errors import InvalidInput
from training.imitation.dataset import read_test
from training.imitation.fit_data import FitOptions
from training.imitation.report import report_path
from training.imitation.train import Validation, train


def _others(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"application": "stranger", "background": ["other stranger"]}


def test_figures_on_strangers_stand_beside_those_of_validation(
    toy: SimpleNamespace, demonstrations_path: Path, tmp_path: Path
) -> None:
    """Validation rows stop the training and choose the seed; test rows do neither."""
    strangers = toy.write(tmp_path / "test.parquet", 200, change=_others)
    options = FitOptions(max_epochs=3)
    written = {}
    for name, test in (("with", strangers), ("without", None)):
        out = tmp_path / name / "policy.onnx"
        train(
            demonstrations_path,
            out,
            seeds=[0, 1],
            validation=Validation(),
            options=options,
            test=test,
        )
        written[name] = (out.read_bytes(), json.loads(report_path(out).read_text("utf-8")))
    assert written["with"][0] == written["without"][0]
    report = written["with"][1]
    assert ["stranger"] == report["test"]["applications"]
    judged = report["seeds"][0]["test_quality"]
    counted = judged["choice"]["rows"] + judged["single"]["rows"] + judged["rows_without_feasible"]
    assert 200 == counted
    assert 0.0 <= report["test"]["choice"]["hit_rate"]["mean"] <= 1.0
    assert written["without"][1]["test"] is None


def test_an_application_that_was_trained_on_is_no_test(
    toy: SimpleNamespace, trained: SimpleNamespace, tmp_path: Path
) -> None:
    """Figures on known applications would say nothing about new ones."""
    known = toy.write(tmp_path / "known.parquet", 50)
    with pytest.raises(InvalidInput, match=r"known\.parquet: test applications, .* must not occur"):
        read_test(known, trained.split)


@pytest.mark.parametrize("known", ["app0", "app1"])
def test_an_application_that_was_trained_on_may_not_be_in_the_background_either(
    toy: SimpleNamespace, trained: SimpleNamespace, tmp_path: Path, known: str
) -> None:
    """Nor one of validation (app1): the network knows how the board heats up under it."""
    path = toy.write(
        tmp_path / "t.parquet", 20, change=lambda row: _others(row) | {"background": ["new", known]}
    )
    with pytest.raises(InvalidInput, match=rf"in the background too, .* \(got {known}\); record"):
        read_test(path, trained.split)


def test_test_demonstrations_of_another_board_are_refused(
    toy: SimpleNamespace, trained: SimpleNamespace, tmp_path: Path
) -> None:
    """Another board's cores are other cores."""
    foreign = toy.write(tmp_path / "foreign.parquet", 20, change=_others, board="elsewhere")
    with pytest.raises(
        InvalidInput, match=r"of the board .* \(got board elsewhere with another boa"
    ):
        read_test(foreign, trained.split)
    changed = toy.write(tmp_path / "changed.parquet", 20, change=_others, board_sha256="cd" * 32)
    with pytest.raises(InvalidInput, match=r"got board toy with another board_sha256"):
        read_test(changed, trained.split)
