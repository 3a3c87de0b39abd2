"""Tests of the live view's frames: what they show, and that they fit any terminal."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rm.daemon.status import Status
from rm.top.frame import Frame, frame_lines
from rm.top.glyphs import ASCII, BLOCKS, Glyphs
from rm.top.history import KEPT, History
from rm.top.line import Line, length, plain_text
from tests.conftest import Ended
from tests.rm.daemon.statuses import (
    APPLICATION,
    LITTLE,
    ON_GPU,
    STATUS,
    TRAINING,
    WAITS,
    crowded,
    empty,
)

Ilgov = Callable[..., Ended]


def frame(status: Status, *, rounds: int = 3, problem: str | None = None) -> Frame:
    """A frame after so many equal rounds."""
    history = History()
    for _ in range(rounds):
        history.add(status.temperatures)
    return Frame(status, history, 1.0, problem, 4.0)


def lines(
    status: Status, *, width: int = 80, height: int | None = 24, glyphs: Glyphs = BLOCKS
) -> list[Line]:
    """The frame's lines."""
    return frame_lines(frame(status), glyphs, width=width, height=height)


def shown(status: Status, **size: Any) -> str:
    """The frame's text, with single spaces."""
    text = plain_text(lines(status, **size))
    return "\n".join(" ".join(line.split()) for line in text.splitlines())


def styles_of(text: str, drawn: list[Line]) -> set[str]:
    """The styles of all pieces that hold a text."""
    return {piece.style for pieces in drawn for piece in pieces if text in piece.text}


def test_it_shows_state_sensors_clusters_cores_and_applications() -> None:
    """All of a small board fits into 80x24."""
    text = shown(STATUS)
    assert "ilgov 0.1.0 hikey970 policy ilgov on onnxruntime/cpu up 3 h 12 min" in text
    assert "NORMAL for 12 min 32 s" in text
    assert "soc 61.2 °C ▁▁▁" in text
    assert "61.2 … 61.2" in text
    assert "little 1402 1402 1844 0 0 1 ▊ 25 2 █▌ 50 3 ██▎ 75" in text
    assert "big 1210 - 1364 4 0 5 0 6 0 7 off" in text
    assert "video 4 30.4 30.0 heartbeats/s ███████████ 101 %" in text
    assert "silent 0-3 - 1.20 G instructions/s not measured" in text
    assert "12 migrations 340 OPP changes" in text


@given(
    width=st.integers(1, 250),
    height=st.integers(1, 100),
    status=st.sampled_from([STATUS, empty(), crowded(3), crowded(256), TRAINING]),
    glyphs=st.sampled_from([BLOCKS, ASCII]),
)
def test_a_frame_has_exactly_the_terminals_lines(
    width: int, height: int, status: Status, glyphs: Glyphs
) -> None:
    """One too many would scroll the screen."""
    drawn = lines(status, width=width, height=height, glyphs=glyphs)
    assert height == len(drawn)
    assert not any("\n" in piece.text for pieces in drawn for piece in pieces)


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("status", [STATUS, empty(), crowded(256), TRAINING])
def test_no_line_is_longer_than_a_usual_terminal_is_wide(width: int, status: Status) -> None:
    """Narrower ones cut what is at the right."""
    assert max(map(length, lines(status, width=width, height=50))) <= width


def test_where_not_all_applications_fit_those_that_miss_their_target_stay() -> None:
    """And the number of the others is told."""
    text = shown(crowded(40))
    rows = [line for line in text.splitlines() if line.startswith("worker")]
    assert rows
    assert all(line.endswith("67 %") for line in rows)
    assert f"… and {40 - len(rows)} more" in text


def test_where_all_fit_they_keep_their_places() -> None:
    """By priority, then by age: no row jumps while one reads."""
    met = [line.split()[0] for line in shown(crowded(6)).splitlines() if line.startswith("worker")]
    assert [f"worker-{i}" for i in range(6)] == met
    vip = replace(APPLICATION, id=99, name="vip", priority=1)
    status = replace(STATUS, applications=(APPLICATION, vip))
    text = shown(status)
    assert text.index("vip") < text.index("video")


def test_what_asks_for_attention_is_marked() -> None:
    """A missed target, a cap below what was asked for, a distrusted sensor, hands off."""
    capped = replace(LITTLE, cap_hz=1_018_000_000)
    status = replace(STATUS, clusters=(capped,), state="hands-off", reason="sensor board is old")
    drawn = lines(status)
    assert {"bad"} == styles_of("1018", drawn)
    assert {"bad"} == styles_of("is 7.5 s old", drawn)
    assert {"bad"} == styles_of("HANDS-OFF", drawn)
    assert {"bad"} == styles_of(" 71 %", drawn)
    assert {"good"} == styles_of(" 101 %", drawn)


def test_without_an_answer_the_last_one_stays_and_the_reason_is_told() -> None:
    """The owner sees what was the case before."""
    gone = frame(STATUS, problem="no daemon runs at /run/ilgov/socket")
    text = plain_text(frame_lines(gone, BLOCKS, width=100, height=24))
    assert " NO ANSWER for 4 s: no daemon runs at /run/ilgov/socket" in text
    assert "61.2 °C" in text


def test_a_name_cannot_steer_the_terminal() -> None:
    """Any user may register one."""
    evil = replace(APPLICATION, name="\x1b[2J\n\r")
    assert "?[2J??" in shown(replace(STATUS, applications=(evil,)))


def test_ascii_does_without_any_other_character() -> None:
    """For a serial console."""
    text = plain_text(lines(crowded(40), glyphs=ASCII))
    assert text.isascii()
    assert "61.2 C" in text


def test_the_history_is_bounded_and_has_gaps_where_nothing_was_known() -> None:
    """A view may be open for weeks."""
    history = History()
    for _ in range(3 * KEPT):
        history.add(STATUS.temperatures)
    history.add_gap()
    assert KEPT == len(history.last("soc", 10**6))
    assert [61.2, 61.2, None] == history.last("soc", 3)
    assert [None] * 3 == history.last("board", 3)
    assert [] == history.last("elsewhere", 3)


def test_a_sensor_that_appears_later_has_gaps_before() -> None:
    """So that all histories show the same times."""
    history = History()
    history.add(STATUS.temperatures[:1])
    history.add([replace(STATUS.temperatures[0], sensor="late", temp_c=30.0)])
    assert [61.2, None] == history.last("soc", 9)
    assert [None, 30.0] == history.last("late", 9)


def test_training_jobs_are_shown_those_that_train_first() -> None:
    """Knobs, cores, rate, deadline, outlook."""
    text = shown(TRAINING, width=110, height=30)
    jobs = [line for line in text.splitlines() if "batch 32" in line]
    assert [
        "tiny-4 granted batch 32, depth 4 0-2 39.5 57 s in time, in 38 s",
        "late frozen batch 32, depth 4 - 0.00 12 s late, 600 samples short",
        "waits waiting batch 32, depth 4 - 0.00 - -",
    ] == [line.partition(": ")[0] for line in jobs]
    drawn = lines(TRAINING, width=110)
    assert ({"good"}, {"bad"}) == (
        styles_of("in time", drawn),
        styles_of("600 samples short", drawn),
    )
    on_gpu = shown(replace(STATUS, training=(ON_GPU,)))
    assert "big granted batch 32, depth 4 ga10b 39.5" in on_gpu


def test_many_jobs_leave_room_for_the_applications() -> None:
    """All are shown where the frame is printed."""
    many = replace(STATUS, training=tuple(replace(WAITS, id=i) for i in range(16)))
    assert "… and 12 more" in shown(many, height=40)
    assert "video" in shown(many, height=40)
    assert 16 == shown(many, height=None).count("waits")


def test_without_jobs_nothing_is_said_of_training() -> None:
    """Most boards have none."""
    assert "TRAINING" not in shown(STATUS)
