"""A floorplan's network as a board's heat: the same temperatures, and a board that holds."""

import msgspec
import numpy as np
import pytest

from platforms.board import AmbientShare, Board, Sensor
from platforms.board_file import check, load_board, parse_board
from platforms.errors import InvalidInput
from platforms.floorplan.block_model import block_network
from platforms.floorplan.block_network import BlockNetwork
from platforms.floorplan.config_file import read_config
from platforms.floorplan.flp_file import read_flp
from platforms.floorplan.shipped import config_path, flp_path
from platforms.floorplan.to_board import (
    ThermalPart,
    core_blocks,
    shared_block,
    thermal_part,
    with_thermal_part,
)
from platforms.linux.probe.board_text import board_text
from platforms.simulated.heat import HeatNetwork


@pytest.fixture(scope="module")
def network() -> BlockNetwork:
    """The shipped floorplan of HiKey 970."""
    config = config_path("hikey970")
    assert config is not None
    return block_network(read_flp(flp_path("hikey970")), read_config(config))


@pytest.fixture(scope="module")
def part(network: BlockNetwork) -> ThermalPart:
    """Its sections in a board file."""
    cores = core_blocks(network, None)
    return thermal_part(network, cores, shared_block(network, cores, "l2_big"), "a test")


@pytest.fixture(scope="module")
def board(part: ThermalPart) -> Board:
    """HiKey 970 with the heat of its floorplan."""
    return with_thermal_part(load_board("hikey970"), part, "hikey970-hikey970")


def test_the_board_holds_and_survives_its_text(board: Board) -> None:
    """No contradiction inside, and the file says the same."""
    assert [] == list(check(board))
    assert board == parse_board(board_text(board), origin="text")


def test_the_boards_heat_is_the_floorplans(network: BlockNetwork, board: Board) -> None:
    """Many links to the air are one cooling setup and shares of it: exactly the same network."""
    heat = HeatNetwork.build(board.thermal, board.cooling_named("package"))
    assert network.heat.names == heat.names
    scale = np.abs(network.heat.conductance).max()
    np.testing.assert_allclose(heat.conductance, network.heat.conductance, atol=1e-9 * scale)
    np.testing.assert_allclose(heat.capacity, network.heat.capacity, rtol=1e-9)
    power_w = np.zeros(len(heat.names))
    power_w[: network.blocks] = np.linspace(0.1, 1.0, network.blocks)
    expected = network.ambient_k - 273.15 + network.rise(power_w[: network.blocks])
    mine = heat.steady(power_w)[: network.blocks]
    np.testing.assert_allclose(mine, expected[: network.blocks], atol=1e-6)


def test_the_packages_cooling_comes_first_and_the_boards_own_stay(board: Board) -> None:
    """They say how well the sink gives heat to the air, whatever the network."""
    base = [setup.name for setup in load_board("hikey970").cooling]
    assert ["package", *base] == [setup.name for setup in board.cooling]
    package = board.cooling_named("package")
    assert 1 / 2.506 == pytest.approx(package.conductance_w_per_k, rel=1e-3)
    assert 25.0 == pytest.approx(package.ambient_c)


def test_sensors_look_at_the_blocks_of_the_same_cores(board: Board) -> None:
    """The big cluster's sensor reads the mean of its cores' blocks."""
    assert {f"core{core}": 0.25 for core in range(4, 8)} == board.sensors[0].weights


def test_a_sensor_at_a_node_without_a_counterpart_is_refused(part: ThermalPart) -> None:
    """Guessing where it sits would be worse."""
    base = load_board("hikey970")
    odd = msgspec.structs.replace(base.sensors[0], weights={"lid": 1.0})
    with pytest.raises(InvalidInput, match=r"sensors\.cls0\.weights must name cores.*got 'lid'"):
        with_thermal_part(msgspec.structs.replace(base, sensors=(odd,)), part, "x")


def test_a_sensor_of_the_die_and_the_board_moves_to_their_counterparts(part: ThermalPart) -> None:
    """To the shared power's block and the sink's largest part."""
    base = load_board("hikey970")
    skin = msgspec.structs.replace(base.sensors[0], weights={"die": 0.5, "board": 0.5})
    moved: Sensor = with_thermal_part(
        msgspec.structs.replace(base, sensors=(skin,)), part, "x"
    ).sensors[0]
    assert {"l2_big": 0.5, part.thermal.ambient_node: 0.5} == moved.weights


def test_cores_are_found_by_name_or_named_in_their_order(network: BlockNetwork) -> None:
    """By default core0, core1, ...; otherwise whatever blocks the user lists, in any case."""
    assert {f"core{i}": i for i in range(8)} == core_blocks(network, None)
    assert {"gpu": 0, "npu": 1} == core_blocks(network, ["GPU", "npu"])
    assert "rest" == shared_block(network, {"core0": 0}, None)
    assert "gpu" == shared_block(network, {}, "GPU")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [(["cpu"], "must name blocks .*got 'cpu'"), (["gpu", "GPU"], "must name each block once")],
)
def test_cores_that_are_no_blocks_are_refused(
    network: BlockNetwork, wanted: list[str], message: str
) -> None:
    """A block can be one core."""
    with pytest.raises(InvalidInput, match=f"--cores {message}"):
        core_blocks(network, wanted)
    with pytest.raises(InvalidInput, match="--cluster-block must name a block"):
        shared_block(network, {}, "cpu")


def test_a_board_with_other_cores_is_refused(network: BlockNetwork) -> None:
    """Every core of the board needs a block."""
    part = thermal_part(network, {"core0": 0}, "rest", "a test")
    with pytest.raises(InvalidInput, match=r"a block for each of the 8 cores .*got cores \[0\]"):
        with_thermal_part(load_board("hikey970"), part, "x")


def test_a_board_without_shares_is_described_as_before() -> None:
    """Digests of boards that recordings carry do not change."""
    assert "ambient_shares" not in msgspec.to_builtins(load_board("hikey970"))["thermal"]


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"board": 0.5, "die": 0.4}, "share must be positive and sum to 1"),
        ({"board": 1.5, "die": -0.5}, "share must be positive and sum to 1"),
        ({"board": 0.5, "lid": 0.5}, "node must name nodes, each once"),
        ({"die": 1.0}, "must hold the ambient node 'board'"),
    ],
)
def test_shares_of_the_air_that_contradict_the_network_are_told(
    shares: dict[str, float], message: str
) -> None:
    """As everything else in a board file."""
    base = load_board("hikey970")
    parts = tuple(AmbientShare(node=node, share=share) for node, share in shares.items())
    sources = base.thermal.sources | {
        "ambient_shares.node": "assumed: a test",
        "ambient_shares.share": "assumed: a test",
    }
    thermal = msgspec.structs.replace(base.thermal, ambient_shares=parts, sources=sources)
    problems = list(check(msgspec.structs.replace(base, thermal=thermal)))
    assert any(message in problem for problem in problems)
