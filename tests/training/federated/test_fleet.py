"""Fleets: files in which every figure has its source, and who is there in a round."""

import json
from pathlib import Path

import pytest

from platforms.board_file import load_board
from platforms.errors import InvalidInput
from rm.main import main
from training.federated.fleet import (
    Fleet,
    apportion,
    load_fleet,
    load_fleet_file,
    present,
    shipped_fleets,
)

FILE = """
schema = 1
name = "pair"
title = "two phones"

[[groups]]
kind = "phone"
count = 2
flops_per_s = 1e10
memory_bytes = 1_000_000
up_bytes_per_s = 1e6
down_bytes_per_s = 1e6
active_power_w = 4
idle_power_w = 1
availability = 0.5
drift = 0.1

[groups.sources]
count = "assumed: a pair"
flops_per_s = "assumed: round"
memory_bytes = "assumed: round"
up_bytes_per_s = "assumed: round"
down_bytes_per_s = "assumed: round"
active_power_w = "assumed: round"
idle_power_w = "assumed: round"
availability = "assumed: half of the time"
drift = "assumed: a tenth"
"""


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    """A fleet file of a user."""
    file = tmp_path / "pair.toml"
    file.write_text(FILE, "utf-8")
    return file


@pytest.mark.parametrize("name", shipped_fleets())
def test_shipped_fleets_load_with_a_source_for_every_figure(name: str) -> None:
    """The reader refuses figures without one."""
    assert name == load_fleet(name).name
    names = [device.name for device in load_fleet(name).devices]
    assert len(names) == len(set(names))


def test_the_mix_of_the_papers_is_30_40_10() -> None:
    """TX2, NX, AGX."""
    kinds = [device.kind for device in load_fleet("jetson80").devices]
    assert [30, 40, 10] == [kinds.count(f"jetson-{kind}") for kind in ("tx2", "nx", "agx")]


def test_the_classes_are_those_asked_for() -> None:
    """Speeds 1:2:4:8, bandwidths 1:10, three of memory, twenty devices."""
    devices = load_fleet("classes20").devices
    slowest = min(device.flops_per_s for device in devices)
    bandwidths = {device.up_bytes_per_s for device in devices}
    assert 20 == len(devices)
    assert {1, 2, 4, 8} == {device.flops_per_s / slowest for device in devices}
    assert 10 == max(bandwidths) / min(bandwidths)
    assert 3 == len({device.memory_bytes for device in devices})


@pytest.mark.parametrize("board", ["hikey970", "odroid-xu3", "rk3588"])
@pytest.mark.parametrize("cluster", ["big", "little"])
def test_power_of_the_big_little_fleet_is_the_boards(board: str, cluster: str) -> None:
    """One core and the cluster's shared part at the top; the speeds' ratio is the capacities'."""
    kinds = {device.kind: device for device in load_fleet("biglittle20").devices}
    device = kinds[f"{board}-{cluster}"]
    found = next(c for c in load_board(board).clusters if c.name.startswith(cluster))
    top = found.opps[-1]
    busy_w = top.core_busy_w + top.cluster_busy_w
    idle_w = found.core_wfi_w + found.cluster_idle_w
    assert busy_w == pytest.approx(device.active_power_w, abs=5e-4)
    assert idle_w == pytest.approx(device.idle_power_w, abs=6e-4)
    ratio = device.flops_per_s / kinds[f"{board}-big"].flops_per_s
    assert (top.capacity or 0) / 1024 == pytest.approx(ratio, rel=5e-3)


def test_fewer_devices_keep_the_mix() -> None:
    """By largest remainders; a multiple of the whole is exact."""
    assert [3, 4, 1] == apportion([30, 40, 10], 8)
    assert [60, 80, 20] == apportion([30, 40, 10], 160)
    assert 7 == len(load_fleet("jetson80", 7).devices)


def test_a_fleet_of_a_user_is_a_file(pair: Path) -> None:
    """Its devices are numbered within their kind."""
    assert ["phone-01", "phone-02"] == [device.name for device in load_fleet(str(pair)).devices]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("count = 2", "count = 0", "groups.phone.count must be positive (got 0)"),
        ("availability = 0.5", "availability = 1.5", "availability must lie in 0 ... 1 (got 1.5)"),
        ("idle_power_w = 1", "idle_power_w = 5", "must not exceed active_power_w (got 5.0)"),
        ('drift = "assumed: a tenth"', "", "missing: ['drift']"),
        ('drift = "assumed: a tenth"', 'drift = "somebody"', "must be '<kind>: <where>'"),
        ("drift = 0.1", "drift = 0.1\nspeed = 3", "groups[0].speed is not a known key (got 3)"),
        ("flops_per_s = 1e10", "flops_per_s = inf", "flops_per_s must be a finite number"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(pair: Path, old: str, new: str, message: str) -> None:
    """File, key, requirement, value."""
    pair.write_text(FILE.replace(old, new, 1), "utf-8")
    with pytest.raises(InvalidInput) as caught:
        load_fleet(str(pair))
    assert message in str(caught.value)
    assert "pair.toml" in str(caught.value)


def test_an_unknown_fleet_is_refused_with_the_known_ones() -> None:
    """And with the command that shows them."""
    with pytest.raises(InvalidInput, match=r"biglittle20, classes20, jetson80.*federated fleet"):
        load_fleet("jetson800")


def test_devices_come_and_go_by_dice_of_their_own(pair: Path) -> None:
    """The share is the availability; a round's dice do not depend on who else is in the fleet."""
    fleet = load_fleet(str(pair))
    rounds = [present(fleet, round_, 0) for round_ in range(1, 401)]
    assert rounds == [present(fleet, round_, 0) for round_ in range(1, 401)]
    both = sum(len(there) == 2 for there in rounds)
    assert 0.25 * 400 == pytest.approx(both, abs=30)
    alone = Fleet(name="one", devices=fleet.devices[1:])
    there = [fleet.devices[1] in devices for devices in rounds if len(devices) == 2]
    assert all(there)
    assert all(len(present(alone, round_, 0)) == 1 for round_ in range(1, 50))


def test_somebody_is_always_there(pair: Path) -> None:
    """A round without any device would be none."""
    fleet = load_fleet(str(pair))
    assert all(present(fleet, round_, 3) for round_ in range(1, 200))


def test_the_command_shows_a_fleet_as_table_and_as_json(
    capsys: pytest.CaptureFixture[str], pair: Path
) -> None:
    """Sources where they are asked for; JSON always has them."""
    assert 0 == main(["federated", "fleet", str(pair), "--devices", "1", "--sources"])
    shown = capsys.readouterr().out
    assert "pair: two phones, 1 devices" in shown
    assert "half of the time" in shown
    assert 0 == main(["federated", "fleet", "jetson80", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert 30 == document["groups"][0]["count"]
    assert document["groups"][0]["sources"]["flops_per_s"].startswith("assumed:")


def test_the_command_lists_fleets_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each."""
    assert 0 == main(["federated", "fleet"])
    shown = capsys.readouterr().out
    assert all(name in shown for name in shipped_fleets())
    assert 2 == main(["federated", "fleet", "nowhere"])
    assert "fleet must be one of" in capsys.readouterr().err
    assert 2 == main(["federated", "fleet", "jetson80", "--devices", "-1"])
    assert "--devices must lie in 0 ... 1000000 (got -1)" in capsys.readouterr().err


def test_the_index_of_a_device_is_its_place_in_the_fleet() -> None:
    """It says which part of the data it holds."""
    fleet = load_fleet("jetson80")
    assert 30 == fleet.index("jetson-nx-01")
    with pytest.raises(InvalidInput, match="must be one of the fleet jetson80"):
        fleet.index("phone-01")
    assert 3 == len(load_fleet_file("jetson80").groups)
