"""Tests of ``ilgov board validate``: a board beside other chips."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from platforms.board_file import load_board
from rm.main import main

DATA = Path(__file__).parents[3] / "shared" / "data" / "freqbench"
HEADER = (
    "CPU,Frequency (kHz),CoreMarks (iter/s),CoreMarks/MHz,Power (mW),Energy (J),"
    "ULPMark-CM (iter/mJ),Time (s)"
)
MATCH = ("--match", "little=cpu0,big=cpu4")
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """``ilgov`` as a function that gives exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def chip(tmp_path: Path, command: Command) -> Path:
    """A chip that draws exactly what the HiKey 970 does with one busy core, up to 2.0 GHz."""
    rows = [HEADER]
    for cpu, cluster, per_mhz in zip(
        (0, 4), load_board("hikey970").clusters, (3.0, 4.5), strict=True
    ):
        for opp in cluster.opps:
            khz, milliwatt = opp.freq_hz // 1000, 1e3 * (opp.core_busy_w + opp.cluster_busy_w)
            speed = per_mhz * khz / 1e3
            time_s = 300_000 / speed
            if khz <= 2_000_000:
                joule = milliwatt / 1e3 * time_s
                rows.append(f"{cpu},{khz},{speed},{per_mhz},{milliwatt},{joule},1,{time_s}")
    source, out = tmp_path / "chip.csv", tmp_path / "chip.parquet"
    source.write_text("\n".join(rows) + "\n")
    assert 0 == command("trace", "import", str(source), "--board", "chip", "--out", str(out))[0]
    return out


def test_a_chip_that_draws_as_the_board_does_differs_by_nothing(
    command: Command, chip: Path
) -> None:
    """Points beyond its clocks have no difference."""
    code, out, _ = command("board", "validate", "hikey970", str(chip), *MATCH, "--json")
    document = json.loads(out)
    assert 0 == code
    little, big = document["clusters"]
    assert [0.0] * 7 == pytest.approx([point["difference"][0] for point in little["points"]])
    assert [None, None] == [point["difference"][0] for point in big["points"][-2:]]
    assert [0.0] == pytest.approx(big["median_difference"])
    assert [1.5] == pytest.approx(document["per_mhz_ratio"])
    assert 649 / 1498 / (226 / 1018) == pytest.approx(document["capacity_ratio"], rel=0.01)


def test_the_page_has_a_table_and_a_figure_for_each_cluster(
    command: Command, chip: Path, tmp_path: Path
) -> None:
    """And loads nothing."""
    page = tmp_path / "page.html"
    code, out, _ = command(
        "board", "validate", "hikey970", str(chip), *MATCH, "--report", str(page)
    )
    assert 0 == code
    text = page.read_text("utf-8")
    body = text[text.index("<body>") :]
    assert 2 == body.count('class="plot"') == body.count("<table>")
    assert 2 == body.count(">beyond<")
    assert "src=" not in body
    assert "in the median of the points: chip +0%" in out


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("small=cpu0", "--match must be like little=cpu1, of little, big (got 'small=cpu0')"),
        ("little", "--match must be like little=cpu1"),
        ("little=cpu9", "--match must name clusters of chip, cpu0, cpu4 (got 'cpu9')"),
    ],
)
def test_wrong_pairs_are_refused(command: Command, chip: Path, match: str, said: str) -> None:
    """With what there is to choose from."""
    code, _, stderr = command("board", "validate", "hikey970", str(chip), "--match", match)
    assert 2 == code
    assert said in stderr


@pytest.mark.skipif(not DATA.is_dir(), reason=f"freqbench's results are not at {DATA}")
def test_the_hikey970_beside_chips_of_its_process_is_as_the_page_says(
    command: Command, tmp_path: Path
) -> None:
    """docs/validation.md's numbers: right at the top against the Exynos, too high at the bottom."""
    files = []
    for name in ("exynos9611", "msm8998"):
        out = tmp_path / f"{name}.parquet"
        command("trace", "import", str(DATA / f"{name}.csv"), "--board", name, "--out", str(out))
        files.append(str(out))
    pairs = ("--match", "little=cpu1,big=cpu4")
    code, out, _ = command("board", "validate", "hikey970", *files, *pairs, "--json")
    assert 0 == code
    document = json.loads(out)
    little, big = (
        np.array([point["difference"] for point in cluster["points"]], float)
        for cluster in document["clusters"]
    )
    assert [1.657, 1.611] == pytest.approx(document["per_mhz_ratio"], abs=1e-3)
    assert [0.23, 0.08] == pytest.approx([little[5, 0], big[7, 0]], abs=0.01)
    assert [1.98, 1.81] == pytest.approx([little[0, 0], big[1, 0]], abs=0.01)
    assert [0.66, 0.91] == pytest.approx(
        [cluster["median_difference"][0] for cluster in document["clusters"]], abs=0.01
    )
