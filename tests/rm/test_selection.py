"""Tests of choosing what to compare: names, all of them, files that belong to a policy."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from platforms.board_file import load_board
from platforms.errors import InvalidInput
from rm.evaluation.comparison import why_not
from rm.evaluation.selection import PolicyFiles, chosen_coolings, chosen_policies
from rm.policies.registry import policy_names

BOARD = load_board("hikey970")
SETUPS = tuple(setup.name for setup in BOARD.cooling)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (None, ("fan", "passive")),
        (["heatsink"], ("heatsink",)),
        (["passive,fan", "fan"], ("passive", "fan")),
        (["all"], SETUPS),
        (["fan", "all"], SETUPS),
    ],
)
def test_cooling_setups_come_by_name_in_lists_and_all_at_once(
    texts: list[str] | None, expected: tuple[str, ...]
) -> None:
    """Each once."""
    assert expected == chosen_coolings(texts, BOARD)


def test_a_board_without_the_usual_setups_is_compared_under_what_it_has() -> None:
    """A user's board may call its cooling whatever they like."""
    water = replace(BOARD.cooling[0], name="water")
    assert ("water",) == chosen_coolings(None, replace(BOARD, cooling=(water,)))


def test_a_file_is_for_whom_it_is_named_and_else_for_all() -> None:
    """Each policy knows whether a file is its own, and has a shipped one."""
    files = PolicyFiles.given(["net.onnx", "toprl=table.npz"])
    assert Path("net.onnx") == files.of("topil") == files.of("gts-ondemand")
    assert Path("table.npz") == files.of("toprl")
    assert PolicyFiles().of("topil") is None


def test_an_equals_sign_in_a_path_is_no_policy() -> None:
    """Unless a policy's name stands before it."""
    files = PolicyFiles.given(["runs/lr=0.1/net.onnx"])
    assert Path("runs/lr=0.1/net.onnx") == files.of("topil")


def test_all_policies_are_those_that_can_be_had(tmp_path: Path) -> None:
    """The others are named with a reason; who asks for one of these by name is told."""
    files = PolicyFiles({"topil": tmp_path / "none.onnx"}, None)
    chosen = chosen_policies("all", BOARD, files)
    assert "no such file" in chosen.left_out["topil"]
    assert set(policy_names()) == set(chosen.policies) | set(chosen.left_out)
    assert not set(chosen.policies) & set(chosen.left_out)
    named = chosen_policies("topil,all", BOARD, files).policies
    assert "topil" == named[0]
    assert (("gts-qos", "oracle"), {}) == tuple(
        getattr(chosen_policies("gts-qos, oracle", BOARD, files), name)
        for name in ("policies", "left_out")
    )


def test_a_policy_that_is_not_installed_as_a_whole_is_no_reason_to_give_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An optional library may be missing."""

    def missing(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr("rm.evaluation.comparison.policy_factory", missing)
    assert "it cannot be loaded (No module named 'theirs')" == why_not("theirs", BOARD, None)


def test_a_policys_own_fault_is_not_taken_for_a_missing_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has to be seen."""

    def broken(name: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("rm.evaluation.comparison.policy_factory", broken)
    with pytest.raises(ZeroDivisionError):
        why_not("theirs", BOARD, None)


def test_an_unknown_cooling_setup_is_told_with_those_that_there_are() -> None:
    """And that all can be had at once."""
    with pytest.raises(InvalidInput, match=r"fan-fails, all \(got 'water'\)"):
        chosen_coolings(["fan,water"], BOARD)
