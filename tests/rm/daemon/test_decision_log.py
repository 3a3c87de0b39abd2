"""Tests of the decision log: a line for each decision, and a round that no disk can stop."""

import json
import logging
import resource
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from platforms.platform import Decision, Migration
from rm.daemon.decision_log import DecisionLog, Outcome
from tests.rm.readings import HIKEY, observation, reading

SEEN = observation(reading(7, cores=(4,)), opp_index=(2, 3), opp_cap=(6, 5))
DECISION = Decision((Migration(7, (5,)),), (1, 4))


def write(log: DecisionLog, **changes: Any) -> None:
    """Write the line of a round."""
    options: dict[str, Any] = {
        "number": 12,
        "state": "normal",
        "reason": None,
        "gain": 0.5,
        "limited_by": None,
        "loop_s": 0.002,
    }
    seen = changes.pop("seen", SEEN)
    decision = changes.pop("decision", DECISION)
    outcome = changes.pop("outcome", Outcome(moved=(7,)))
    log.write(HIKEY, seen, decision, outcome, **(options | changes))


def lines(path: Path) -> list[dict[str, Any]]:
    """What the log says."""
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for the log, in a folder that is not there yet."""
    return tmp_path / "var/log/decisions.jsonl"


def test_a_line_says_what_was_seen_chosen_and_done(path: Path) -> None:
    """With frequencies, not with indices: it is read without the board's description."""
    write(DecisionLog(path, wall_clock=lambda: 1.7e9))
    little, big = HIKEY.clusters
    (line,) = lines(path)
    expected = {
        "time_unix_s": 1.7e9,
        "round": 12,
        "state": "normal",
        "reason": None,
        "temp_c": {"cls0": 45.0},
        "age_s": {"cls0": 0.5},
        "freq_hz": [little.freqs_hz[2], big.freqs_hz[3]],
        "cap_hz": [little.freqs_hz[6], big.freqs_hz[5]],
        "choice_hz": [little.freqs_hz[1], big.freqs_hz[4]],
        "migrations": {"7": [5]},
        "gain": 0.5,
        "limited_by": None,
        "moved": [7],
        "refused": [],
        "loop_s": 0.002,
    }
    assert expected == {key: line[key] for key in expected}
    assert [7, "application-7", [4], 1] == [
        line["applications"][0][key] for key in ("id", "name", "cores", "threads")
    ]


def test_a_round_without_a_decision_has_a_line_too(path: Path) -> None:
    """While the kernel has the board, with the reason for it."""
    log = DecisionLog(path, wall_clock=lambda: 0.0)
    write(
        log, decision=Decision(), outcome=Outcome(), state="hands-off", reason="sensor", gain=None
    )
    (line,) = lines(path)
    assert [None, {}, "hands-off", "sensor"] == [
        line[key] for key in ("choice_hz", "migrations", "state", "reason")
    ]


@pytest.mark.parametrize(
    ("which", "changes", "expected"),
    [
        ("all", False, True),
        ("all", True, True),
        ("changes", False, False),
        ("changes", True, True),
        ("off", True, False),
    ],
)
def test_which_rounds_get_a_line(path: Path, which: Any, changes: bool, expected: bool) -> None:
    """As configured."""
    log = DecisionLog(path, which=which, wall_clock=lambda: 0.0)
    assert expected == log.wants(changes=changes)


def test_without_a_file_nothing_is_written(path: Path) -> None:
    """Nor made."""
    log = DecisionLog(None, which="all", wall_clock=lambda: 0.0)
    write(log)
    log.close()
    assert not log.wants(changes=True)
    assert not path.parent.exists()


def test_it_is_rotated(path: Path) -> None:
    """Every line of every file can be read."""
    log = DecisionLog(path, max_bytes=2000, kept_files=2, wall_clock=lambda: 0.0)
    for number in range(20):
        write(log, number=number)
    log.close()
    files = [path.with_name(f"{path.name}.2"), path.with_name(f"{path.name}.1"), path]
    assert sorted(files) == sorted(path.parent.iterdir())
    rounds = [line["round"] for file in files for line in lines(file)]
    assert list(range(20))[-len(rounds) :] == rounds
    assert all(file.stat().st_size <= 2000 for file in files)


def test_a_full_disk_costs_lines_and_no_round(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Said once, counted, and over when there is room again."""
    log = DecisionLog(path, wall_clock=lambda: 0.0)
    write(log, number=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with caplog.at_level(logging.WARNING):
            for number in range(2, 7):
                write(log, number=number)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    write(log, number=7)
    assert ([1, 7], 5) == ([line["round"] for line in lines(path)], log.lost_lines)
    (told,) = caplog.messages
    assert "its lines are lost" in told


def test_a_disk_that_fails_at_every_call_stops_no_round(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the call."""
    log = DecisionLog(path, max_bytes=1000, wall_clock=lambda: 0.0)

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    for name in ("write", "open", "fstat"):
        with monkeypatch.context() as patch:
            patch.setattr(f"rm.daemon.line_file.os.{name}", fail)
            for _ in range(3):
                write(log)
    write(log)
    assert log.lost_lines
    assert lines(path)


def test_values_that_are_no_numbers_are_null(path: Path) -> None:
    """JSON has no NaN."""
    log = DecisionLog(path, wall_clock=lambda: 0.0)
    write(log, gain=float("nan"), seen=replace(SEEN, core_utilisation=(float("inf"),) * 8))
    (line,) = lines(path)
    assert (None, [None] * 8) == (line["gain"], line["utilisation"])


def test_a_log_that_cannot_be_opened_is_told_at_the_start(tmp_path: Path) -> None:
    """An owner's mistake, not a full disk."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"directory|exists"):
        DecisionLog(tmp_path / "file/log", wall_clock=lambda: 0.0)
