"""``ilgov board``: what it prints, for people and for machines, and how it exits."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

import platforms
from platforms.board_file import load_board, shipped_boards
from platforms.commands import board
from platforms.errors import InvalidInput

BOARDS = Path(platforms.__file__).parent / "boards"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """``ilgov board`` as a function of its arguments that gives exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        board(parser)
        args = parser.parse_args(arguments)
        code = args.run(args)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_list_has_a_line_for_every_board(command: Command) -> None:
    """Name, chip, clusters and cooling setups, on one line each."""
    code, out, _ = command("list")
    lines = out.splitlines()
    assert 0 == code
    assert len(lines) == 1 + len(shipped_boards())
    hikey970 = next(line for line in lines if line.startswith("hikey970 "))
    for part in ("HiSilicon Kirin 970", "4 x cortex-a53", "4 x cortex-a73", "fan, passive"):
        assert part in hikey970


def test_list_as_json_names_clusters_with_their_cores(command: Command) -> None:
    """A machine reads the same facts without parsing columns."""
    code, out, _ = command("list", "--json")
    assert 0 == code
    boards = {entry["name"]: entry for entry in json.loads(out)}
    assert set(shipped_boards()) == set(boards)
    assert {
        "name": "hikey970",
        "title": "HiKey 970",
        "soc": "HiSilicon Kirin 970",
        "clusters": [
            {"name": "little", "core_type": "cortex-a53", "cores": [0, 1, 2, 3]},
            {"name": "big", "core_type": "cortex-a73", "cores": [4, 5, 6, 7]},
        ],
        "cooling": [
            *("fan", "passive", "passive-35", "heatsink", "fan-cold", "fan-hot", "fan-fails"),
        ],
    } == boards["hikey970"]


def test_show_prints_operating_points_power_heat_and_cooling(command: Command) -> None:
    """One row of each part, as it stands on the screen."""
    code, out, _ = command("show", "hikey970")
    lines = out.splitlines()
    assert 0 == code
    assert "hikey970: HiKey 970 (HiSilicon Kirin 970), 8 cores" == lines[0]
    assert "cluster big: cortex-a73, cores 4-7" in lines
    assert ["2362", "1.05", "1.105", "0.132", "0.218", "1024"] in [line.split() for line in lines]
    assert "  2.5 K/W to air of 25 degC" == lines[lines.index("cooling fan") + 1]
    assert "  from 50% of a run on as passive" == lines[lines.index("cooling fan-fails") + 2]
    assert any("target 85 degC" in line and "sustainable 4 W" in line for line in lines)
    assert "  no operating point is known" == lines[lines.index("npu npu") + 1]
    assert "sources:" not in out


def test_show_says_how_an_accelerator_trains_and_what_it_takes(command: Command) -> None:
    """The sections that make it more than a description."""
    _, out, _ = command("show", "jetson-nano")
    lines = out.splitlines()
    gpu = lines[lines.index("gpu gm20b") :]
    assert any("trains: 141.6 GFLOP/s" in line and "launch 35 us" in line for line in gpu)
    assert any("power into gpu: static 2 W, dynamic 6 W" in line for line in gpu)


def test_show_with_sources_says_of_every_value_where_it_comes_from(command: Command) -> None:
    """Measured and assumed must be told apart on the screen, too."""
    _, out, _ = command("show", "hikey970", "--sources")
    hikey970 = load_board("hikey970")
    sourced = [
        *(cluster.sources for cluster in hikey970.clusters),
        *(setup.sources for setup in hikey970.cooling),
        *(sensor.sources for sensor in hikey970.sensors),
        hikey970.thermal.sources,
    ]
    for sources in sourced:
        for text in sources.values():
            assert text in out


def test_show_as_json_holds_everything(command: Command) -> None:
    """``--json`` gives full detail, sources included."""
    _, out, _ = command("show", "rk3588", "--json")
    shown = json.loads(out)
    assert ["little", "big0", "big1"] == [cluster["name"] for cluster in shown["clusters"]]
    assert 0.7125 == shown["clusters"][0]["opps"][4]["volt_v"]
    assert shown["clusters"][0]["sources"]["opps.volt_v"].startswith("device tree: ")


@pytest.mark.parametrize("name", shipped_boards())
def test_show_works_for_every_shipped_board(name: str, command: Command) -> None:
    """Boards differ in what they leave out: accelerators, idle states, a stand-in."""
    code, out, _ = command("show", name, "--sources")
    assert 0 == code
    assert out.startswith(f"{name}: ")


def test_show_takes_the_path_of_a_board_file(command: Command, tmp_path: Path) -> None:
    """One's own board is shown as a shipped one is."""
    file = tmp_path / "mine.toml"
    text = (BOARDS / "hikey970.toml").read_text("utf-8")
    file.write_text(text.replace('name = "hikey970"', 'name = "mine"'), "utf-8")
    _, out, _ = command("show", str(file))
    assert out.startswith("mine: HiKey 970")


def test_show_of_an_unknown_board_is_a_users_mistake(command: Command) -> None:
    """The command line turns it into exit code 2 and prints the message as it is."""
    with pytest.raises(InvalidInput, match=r"board must be one of hikey960, hikey970, jetson-nano"):
        command("show", "hikey990")


def test_check_says_ok_for_a_right_file(command: Command) -> None:
    """A quiet success would leave one wondering."""
    path = str(BOARDS / "hikey970.toml")
    assert (0, f"{path}: ok\n", "") == command("check", path)


def test_check_goes_through_all_files_and_exits_with_2_where_one_is_wrong(
    command: Command, tmp_path: Path
) -> None:
    """One run names every wrong file; the right ones are still reported."""
    good, broken, other = BOARDS / "rk3588.toml", tmp_path / "broken.toml", tmp_path / "other.toml"
    text = good.read_text("utf-8")
    broken.write_text(text.replace("schema = 1", "schema = 7"), "utf-8")
    other.write_text("schema =", "utf-8")
    code, out, err = command("check", str(broken), str(other), str(good))
    assert 2 == code
    assert f"{good}: ok\n" == out
    first, second = err.splitlines()
    assert f"{broken}: schema must be 1 (got 7)" == first
    assert second.startswith(f"{other}: must be a TOML file (")


def test_a_verb_is_required(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    """``ilgov board`` alone names its verbs and exits as for any wrong argument."""
    with pytest.raises(SystemExit) as stop:
        command()
    assert 2 == stop.value.code
    assert "list|show|check" in capsys.readouterr().err
