"""Tests of ``ilgov npu bench``: what is timed, what is left out, and what is drawn."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from npu_runtime.measure.latency import YARDSTICK, Timed, cold, hot
from platforms.errors import InvalidInput
from rm.npu import bench_command
from rm.npu.latency_figure import write_figure

FAULTY = "tests.npu_runtime.faulty_backend"
QUICK = ("--period-s", 0.01, "--seconds", 0.2)

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command, quickly; its code and what it printed."""

    def run(*words: object) -> tuple[int, str]:
        parser = argparse.ArgumentParser()
        bench_command.configure(parser)
        args = parser.parse_args([str(word) for word in (*QUICK, *words)])
        return args.run(args), capsys.readouterr().out

    return run


def test_every_back_end_is_timed_hot_and_cold_beside_the_bare_products(bench: Command) -> None:
    """All batches from 1 to 16 and 64 hot, six of them cold; the yardstick is one by definition."""
    code, output = bench("--json", "--backend", "numpy", "--backend", "isolated:numpy")
    found = json.loads(output)
    assert 0 == code
    names = [YARDSTICK, "numpy", "isolated:numpy"]
    assert names == list(dict.fromkeys(one["name"] for one in found["hot"]))
    assert [*range(1, 17), 64] == [one["batch"] for one in found["hot"] if one["name"] == "numpy"]
    assert [1, 2, 4, 8, 16, 64] == [one["batch"] for one in found["cold"] if one["name"] == "numpy"]
    for one in (*found["hot"], *found["cold"]):
        assert one["p50_us"] <= one["p90_us"] <= one["p99_us"]
        assert (1.0 == one["ratio"]) == (one["name"] == YARDSTICK)
    assert [] == found["left_out"]


def test_the_table_shows_medians_and_multiples(bench: Command) -> None:
    """And on which machine, how loaded."""
    code, output = bench("--backend", "numpy")
    lines = output.splitlines()
    assert 0 == code
    assert lines[1].startswith("machine ")
    assert any("one call every 0.01 s, in between the thread sleeps" in line for line in lines)
    assert any(line.startswith("bare products") and line.count("(1.0x)") == 6 for line in lines)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{FAULTY}:zeros", "its scores of a known row must be within 5% of their range"),
        (f"{FAULTY}:slightly_off", "its scores are off by 0.01 of their range"),
        ("rknn", "rk3588.json: must be there and readable"),
    ],
)
def test_what_is_wrong_or_absent_is_not_timed(bench: Command, name: str, words: str) -> None:
    """The CPU that covers for it would be; who named it is told by the exit code."""
    code, output = bench("--json", "--backend", "numpy", "--backend", name)
    found = json.loads(output)
    assert 1 == code
    assert [YARDSTICK, "numpy"] == list(dict.fromkeys(one["name"] for one in found["cold"]))
    (left_out,) = found["left_out"]
    assert name == left_out["name"]
    assert words in left_out["reason"]


@pytest.mark.parametrize("suffix", ["html", "png"])
def test_the_figure_is_drawn(bench: Command, tmp_path: Path, suffix: str) -> None:
    """A page that needs no network, or an image by Chromium."""
    if suffix == "png" and shutil.which("chromium") is None:
        pytest.skip("there is no Chromium to draw a PNG (Debian: apt-get install chromium)")
    path = tmp_path / f"latency.{suffix}"
    bench("--backend", "numpy", "--plot", path)
    content = path.read_bytes()
    if suffix == "png":
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000
    else:
        assert b"one call after the other" in content
        assert b"src=" not in content.partition(b"<body>")[0]


def test_what_cannot_be_drawn_or_measured_is_refused_first(bench: Command, tmp_path: Path) -> None:
    """Before minutes of measuring."""
    with pytest.raises(InvalidInput, match=r"--plot must be a file .html or .png"):
        bench("--plot", tmp_path / "latency.pdf")
    with pytest.raises(InvalidInput, match=r"--period-s must be above 0 and at most 86400"):
        bench("--period-s", 0)


def test_without_a_browser_a_png_says_what_to_do(
    bench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An HTML page needs none."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InvalidInput, match="needs Chromium to draw a PNG"):
        bench("--backend", "numpy", "--plot", tmp_path / "latency.png")
    assert callable(write_figure)


# --- how is measured ------------------------------------------------------------------------------


def subjects(order: list[tuple[str, int]]) -> tuple[list[Timed], Timed]:
    """Two subjects and a yardstick that note who is called with how many rows."""

    def timed(name: str) -> Timed:
        return Timed(name, lambda rows: order.append((name, len(rows))))

    return [timed("a"), timed("b")], timed(YARDSTICK)


def test_hot_blocks_take_turns() -> None:
    """What others do on the machine meets all alike."""
    order: list[tuple[str, int]] = []
    both, yardstick = subjects(order)
    found = hot(both, yardstick, np.ones((3, 2), np.float32), batches=(4,), blocks=3, calls=2)
    first = [name for name, rows in order[3::6]]
    assert [YARDSTICK, "a", "b"] == first
    assert {4} == {rows for _, rows in order}
    assert [6, 6, 6] == [one.calls for one in found]


def test_cold_calls_are_spread_over_the_period() -> None:
    """Each subject once a period, another one first each time, another batch each time."""
    order: list[tuple[str, int]] = []
    slept: list[float] = []
    now = [100.0]

    def sleep(left_s: float) -> None:
        slept.append(left_s)
        now[0] += left_s

    both, yardstick = subjects(order)
    rows = np.ones((3, 2), np.float32)
    cold(
        both, yardstick, rows, seconds=1.8, period_s=0.6, batches=(1, 8), clock=lambda: now[0],
        sleep=sleep,
    )  # fmt: skip
    measured = order[3:]
    assert [1, 1, 1, 8, 8, 8, 1, 1, 1] == [count for _, count in measured]
    assert [YARDSTICK, "a", "b", "a", "b", YARDSTICK, "b", YARDSTICK, "a"] == [
        n for n, _ in measured
    ]
    np.testing.assert_allclose(slept, [0.2] * 8)


def test_a_busy_gap_does_not_sleep() -> None:
    """The clock goes on with every look at it."""
    order: list[tuple[str, int]] = []
    both, yardstick = subjects(order)
    now = iter(np.arange(0.0, 1e6, 0.05))

    def refuse(left_s: float) -> None:
        raise AssertionError(left_s)

    found: Any = cold(
        both, yardstick, np.ones((1, 2), np.float32), seconds=1.0, period_s=0.5, batches=(1,),
        gap="busy", clock=lambda: float(next(now)), sleep=refuse,
    )  # fmt: skip
    assert [2, 2, 2] == [one.calls for one in found]
