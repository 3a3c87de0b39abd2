"""Board files: what is shipped is right, and what is wrong is named with file, key and value."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

import platforms
from platforms.board import Board
from platforms.board_file import check, load_board, parse_board, shipped_boards
from platforms.errors import InvalidInput

BOARDS = Path(platforms.__file__).parent / "boards"
HIKEY970 = (BOARDS / "hikey970.toml").read_text("utf-8")

_ALL = "assumed: made up"


def _changed(old: str, new: str) -> str:
    """The HiKey 970's file with the first `old` replaced; fails where there is none."""
    assert old in HIKEY970
    return HIKEY970.replace(old, new, 1)


def _sources(*keys: str) -> str:
    return "\n".join(f'"{key}" = "{_ALL}"' for key in keys)


def _cluster(index: int, cores: list[int]) -> str:
    keys = (
        *("core_type", "cores", "opps.freq_hz", "opps.volt_v", "opps.core_busy_w"),
        *("opps.cluster_busy_w", "core_wfi_w", "cluster_idle_w", "leakage_w_per_v3"),
        *("activity_floor", "l2_bytes", "l2_shared", "dvfs_latency_s", "thermal_weight"),
    )
    return f"""
[[clusters]]
name = "cluster{index}"
core_type = "core-type-{index}"
cores = {cores}
opps = [{{ freq_hz = 1000000000, volt_v = 0.8, core_busy_w = 0.3, cluster_busy_w = 0.1 }}]
core_wfi_w = 0.02
cluster_idle_w = 0.01
leakage_w_per_v3 = 0.05
activity_floor = 0.5
l2_bytes = 1048576
l2_shared = true
dvfs_latency_s = 1e-4
thermal_weight = 1024
[clusters.sources]
{_sources(*keys)}
"""


def _board(cores_per_cluster: list[int]) -> str:
    """A board file with one cluster for each number of cores."""
    count = sum(cores_per_cluster)
    starts = [sum(cores_per_cluster[:i]) for i in range(len(cores_per_cluster))]
    clusters = "".join(
        _cluster(i, list(range(start, start + cores_per_cluster[i])))
        for i, start in enumerate(starts)
    )
    nodes = "".join(
        f'{{ name = "core{c}", capacity_j_per_k = 0.2, core = {c} }}, ' for c in range(count)
    )
    links = "".join(
        f'{{ between = ["core{c}", "die"], conductance_w_per_k = 0.8 }}, ' for c in range(count)
    )
    return f"""
schema = 1
name = "generated"
title = "Generated"
soc = "None"
{clusters}
[leakage]
ref_temp_c = 65.0
coefficients = [0.05, 0.002, 0.0, 0.0]
lowest = 0.0
highest = 10.0
[leakage.sources]
{_sources("ref_temp_c", "coefficients", "lowest", "highest")}
[memory]
bandwidth_bytes_per_s = 1e10
latency_s = 1e-7
[memory.sources]
{_sources("bandwidth_bytes_per_s", "latency_s")}
[thermal]
nodes = [{nodes} {{ name = "die", capacity_j_per_k = 1.0 }}]
links = [{links}]
ambient_node = "die"
cluster_node = "die"
[thermal.sources]
{
        _sources(
            *("nodes.capacity_j_per_k", "links.between", "links.conductance_w_per_k"),
            *("ambient_node", "cluster_node"),
        )
    }
[[cooling]]
name = "fan"
conductance_w_per_k = 0.4
ambient_c = 25.0
[cooling.sources]
{_sources("conductance_w_per_k", "ambient_c")}
[[sensors]]
name = "soc"
weights = {{ die = 1.0 }}
step_k = 0.1
offset_c = 0.0
period_s = 1.0
noise_k = 0.0
[sensors.sources]
{_sources("weights", "step_k", "offset_c", "period_s", "noise_k")}
[rest_of_board]
power_w = 2.0
[rest_of_board.sources]
{_sources("power_w")}
"""


@pytest.fixture(params=shipped_boards())
def shipped(request: pytest.FixtureRequest) -> Board:
    """Each shipped board in turn."""
    return load_board(request.param)


def test_six_boards_are_shipped() -> None:
    """A board file that is not packaged would vanish in silence."""
    jetsons = ("jetson-nano", "jetson-orin-nano")
    assert ("hikey960", "hikey970", *jetsons, "odroid-xu3", "rk3588") == shipped_boards()


def test_every_shipped_board_passes_its_own_check(shipped: Board) -> None:
    """What ilgov ships has to satisfy what it asks of others."""
    assert [] == list(check(shipped))


def test_a_shipped_board_is_named_as_its_file(shipped: Board) -> None:
    """'ilgov board show NAME' and the name inside the file must not differ."""
    assert shipped == load_board(shipped.name)


def test_every_shipped_board_can_be_cooled_by_a_fan_and_passively(shipped: Board) -> None:
    """Policies are compared under both, and the fan has to be the better of them."""
    fan, passive = shipped.cooling_named("fan"), shipped.cooling_named("passive")
    assert fan.conductance_w_per_k > passive.conductance_w_per_k


def test_busy_power_rises_with_the_operating_point(shipped: Board) -> None:
    """A mistyped row would make a higher frequency look cheaper."""
    for cluster in shipped.clusters:
        powers = [(opp.core_busy_w, opp.cluster_busy_w) for opp in cluster.opps]
        assert sorted(powers) == powers


def test_the_hikey970_has_the_tables_of_its_device_tree() -> None:
    """The reference board's numbers, spot-checked at both ends of both clusters."""
    little, big = load_board("hikey970").clusters
    assert (7, 9) == (len(little.opps), len(big.opps))
    assert (509_000_000, 0.68, 0.065, 0.023, 113) == _row(little.opps[0])
    assert (1_844_000_000, 1.05, 0.283, 0.055, 360) == _row(little.opps[-1])
    assert (682_000_000, 0.68, 0.236, 0.069, 296) == _row(big.opps[0])
    assert (2_362_000_000, 1.05, 1.105, 0.218, 1024) == _row(big.opps[-1])


def _row(opp: object) -> tuple[object, ...]:
    keys = ("freq_hz", "volt_v", "core_busy_w", "cluster_busy_w", "capacity")
    return tuple(getattr(opp, key) for key in keys)


def test_the_hikey970_sustains_the_vendors_power_at_the_target_temperature() -> None:
    """4 W, one watt in each big core, give about 85 degC at 35 degC without a fan."""
    board = load_board("hikey970")
    setup = board.cooling_named("passive-35")
    die_to_board = next(
        link.conductance_w_per_k
        for link in board.thermal.links
        if set(link.between) == {"die", "board"}
    )
    die_c = setup.ambient_c + 4.0 / setup.conductance_w_per_k + 4.0 / die_to_board
    assert die_c + 1.0 * 1.3 == pytest.approx(85.0, abs=1.0)


def test_the_l2_cache_is_a_clusters_but_with_the_newest_cores_each_cores_own() -> None:
    """What a move within a cluster costs depends on it."""
    own = {"rk3588", "jetson-orin-nano"}
    for name in shipped_boards():
        assert {name not in own} == {c.l2_shared for c in load_board(name).clusters}


def test_a_leakage_curve_that_is_clamped_where_it_falls_is_accepted() -> None:
    """Only what the models use has to rise."""
    old = "coefficients = [0.04802, 0.00212, -0.00005, 0.000001]\nlowest = 0.0\nhighest = 10.0"
    clamped = "coefficients = [0.04802, 0.00612, -0.00003, 0.0]\nlowest = 0.0\nhighest = 0.29"
    board = parse_board(_changed(old, clamped), origin="mine.toml")
    assert 0.29 == board.leakage.highest


def test_the_rk3588_has_three_clusters_and_an_npu_with_operating_points() -> None:
    """The second family of boards: more than two clusters, several sensors."""
    board = load_board("rk3588")
    assert ("little", "big0", "big1") == tuple(cluster.name for cluster in board.clusters)
    assert (0, 0, 0, 0, 1, 1, 2, 2) == board.cluster_of_core
    assert len(board.sensors) == 7
    npu = next(part for part in board.accelerators if part.kind == "npu")
    assert (300_000_000, 1_000_000_000) == (npu.opps[0].freq_hz, npu.opps[-1].freq_hz)


@pytest.mark.parametrize("cores_per_cluster", [[1], [6], [4, 2, 1], [4, 4, 2, 1, 1]])
def test_any_number_of_clusters_and_cores_parses(cores_per_cluster: list[int]) -> None:
    """Nothing may assume the two clusters of four of the reference board."""
    board = parse_board(_board(cores_per_cluster), origin="generated.toml")
    assert len(board.clusters) == len(cores_per_cluster)
    assert board.core_count == sum(cores_per_cluster)
    assert len(board.cluster_of_core) == board.core_count


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", "schema must be 1 (got 2)"),
        ("core_wfi_w = 0.023", "core_wfi = 0.023", "clusters[0].core_wfi is not a known key"),
        (
            "core_wfi_w = 0.023",
            "core_wfi_w = 0.023\nspeed = 3",
            "clusters[0].speed is not a known key (got 3)",
        ),
        ('soc = "HiSilicon Kirin 970"', "", "soc is required (got nothing)"),
        ("core_wfi_w = 0.023", "", "clusters[0].core_wfi_w is required (got nothing)"),
        (
            "core_wfi_w = 0.023",
            'core_wfi_w = "low"',
            "clusters[0].core_wfi_w must be `float` (got 'low')",
        ),
        (
            "freq_hz = 509_000_000",
            "freq_hz = 5.5",
            "clusters[0].opps[0].freq_hz must be `int` (got 5.5)",
        ),
        (
            'between = ["core0", "die"]',
            'between = ["core0"]',
            "thermal.links[0].between must be `array` of length 2 (got ['core0'])",
        ),
        (
            "core_wfi_w = 0.023",
            "core_wfi_w = nan",
            "clusters.little.core_wfi_w must be a finite number (got nan)",
        ),
        (
            "core_wfi_w = 0.023",
            "core_wfi_w = -1.0",
            "clusters.little.core_wfi_w must not be negative (got -1.0)",
        ),
        (
            "volt_v = 0.754",
            "volt_v = 0.654",
            "clusters.little.opps.volt_v must lie in 0.2 ... 2.0 V and never fall (got [0.68, 0.65",
        ),
        (
            "volt_v = 0.754",
            "volt_v = 754",
            "clusters.little.opps.volt_v must lie in 0.2 ... 2.0 V and never fall (got [0.68, 754",
        ),
        (
            "freq_hz = 1_018_000_000",
            "freq_hz = 509_000_000",
            "clusters.little.opps.freq_hz must be positive and rise from point to point (got [509",
        ),
        (
            "core_busy_w = 0.065",
            "core_busy_w = 0.011",
            "core_busy_w at 509000000 Hz must exceed the leakage 0.0116 W (got 0.011)",
        ),
        (
            "cluster_busy_w = 0.023",
            "cluster_busy_w = -0.1",
            "clusters.little.opps.cluster_busy_w at 509000000 Hz must not be negative (got -0.1)",
        ),
        (
            "activity_floor = 0.15",
            "activity_floor = 1.5",
            "clusters.little.activity_floor must lie in 0 ... 1 (got 1.5)",
        ),
        (
            "l2_bytes = 1_048_576",
            "l2_bytes = 0",
            "clusters.little.l2_bytes must be positive (got 0)",
        ),
        (
            "entry_s = 40e-6",
            "entry_s = -1.0",
            "clusters.little.idle_states.cpu-sleep.entry_s must not be negative (got -1.0)",
        ),
        (
            "cores = [4, 5, 6, 7]",
            "cores = [5, 6, 7, 8]",
            "clusters.cores must number the cores 0, 1, 2, ... once each (got [0, 1, 2, 3, 5,",
        ),
        (
            "cores = [4, 5, 6, 7]",
            "cores = [3, 4, 5, 6]",
            "clusters.cores must number the cores 0, 1, 2, ... once each (got [0, 1, 2, 3, 3,",
        ),
        (
            'name = "big"',
            'name = "little"',
            "clusters.name must be unique, with at least one clusters entry (got ['little',",
        ),
        (
            "highest = 10.0",
            "highest = -1.0",
            "leakage.lowest must not be negative and lie below leakage.highest (got 0.0 and -1.0)",
        ),
        (
            "coefficients = [0.04802, 0.00212,",
            "coefficients = [0.0, -0.1,",
            "leakage.coefficients must give a positive value at 65.0 degC (got -6.437)",
        ),
        (
            "coefficients = [0.04802, 0.00212, -0.00005, 0.000001]",
            "coefficients = [0.04802, 0.00612, -0.00005, 0.0]",
            "coldest cooling.ambient_c, to 150 degC (got one that falls at 61 degC); fit it anew",
        ),
        (
            'l2_shared = "data sheet',
            'l2_mode = "data sheet',
            "clusters.little.sources must say where every value comes from (missing: ['l2_shared'",
        ),
        (
            "latency_s = 141e-9",
            "latency_s = 0.0",
            "memory.latency_s must be positive (got 0.0)",
        ),
        (
            'between = ["core0", "die"]',
            'between = ["core0", "dye"]',
            "thermal.links.between must name two nodes (got ['core0', 'dye'])",
        ),
        (
            "conductance_w_per_k = 0.909",
            "conductance_w_per_k = 0.0",
            "thermal.links.conductance_w_per_k of ['core0', 'die'] must be positive (got 0.0)",
        ),
        (
            '{ between = ["die", "board"], conductance_w_per_k = 0.4 },',
            "",
            "thermal.links must lead from every node to the ambient node (not ['core0', 'core1'",
        ),
        (
            'ambient_node = "board"',
            'ambient_node = "air"',
            "thermal.ambient_node must name a node (got 'air')",
        ),
        (
            'name = "core1", capacity_j_per_k = 0.23, core = 1',
            'name = "core1", capacity_j_per_k = 0.23, core = 0',
            "thermal.nodes.core must name every core once (got [0, 0, 2,",
        ),
        (
            'name = "core1", capacity_j_per_k',
            'name = "core0", capacity_j_per_k',
            "thermal.nodes.name must be unique (got ['core0', 'core0',",
        ),
        (
            "capacity_j_per_k = 0.23",
            "capacity_j_per_k = 0.0",
            "thermal.nodes.core0.capacity_j_per_k must be positive (got 0.0)",
        ),
        (
            "conductance_w_per_k = 0.10204",
            "conductance_w_per_k = 0.0",
            "cooling.passive.conductance_w_per_k must be positive (got 0.0)",
        ),
        (
            "core4 = 0.25,",
            "core4 = 0.5,",
            "sensors.cls0.weights must name thermal nodes and sum to 1 (got {'core4': 0.5,",
        ),
        (
            "core4 = 0.25,",
            "core9 = 0.25,",
            "sensors.cls0.weights must name thermal nodes and sum to 1 (got {'core9': 0.25,",
        ),
        ("step_k = 0.216", "step_k = 0.0", "sensors.cls0.step_k must be positive (got 0.0)"),
        (
            'sensor = "cls0"',
            'sensor = "soc"',
            "protection.sensor must name a sensor (got 'soc')",
        ),
        (
            "switch_on_c = 65.0",
            "switch_on_c = 85.0",
            "protection.switch_on_c must lie below target_c = 85.0 (got 85.0)",
        ),
        (
            "freq_hz = 150_909_000, volt_v = 0.65",
            "freq_hz = 150_909_000, volt_v = 0.45",
            "accelerators.mali-g72.opps.volt_v must lie in 0.2 ... 2.0 V and never fall (got",
        ),
        (
            "power_w = 2.0",
            "power_w = -2.0",
            "rest_of_board.power_w must not be negative (got -2.0)",
        ),
        (
            'ambient_c = "assumed: a cool room"',
            "",
            "cooling.fan.sources must say where every value comes from (missing: ['ambient_c'])",
        ),
        (
            'ambient_c = "assumed: a cool room"',
            'ambient_c = "assumed: a cool room"\ncolour = "assumed: red"',
            "cooling.fan.sources names values that are not there (got ['colour'])",
        ),
        (
            'ambient_c = "assumed: a cool room"',
            'ambient_c = "guessed: a cool room"',
            "cooling.fan.sources.ambient_c must be '<kind>: <where>' with a kind out of: device",
        ),
        (
            'ambient_c = "assumed: a cool room"',
            'ambient_c = "assumed"',
            "tree, data sheet, measured, fitted, derived, assumed (got 'assumed')",
        ),
    ],
)
def test_a_wrong_value_is_named_with_file_key_and_value(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    """Who writes a board file must be able to repair it from the message alone."""
    file = tmp_path / "mine.toml"
    file.write_text(_changed(old, new), "utf-8")
    with pytest.raises(InvalidInput) as error:
        load_board(str(file))
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)


GPU = """
compute.peak_flops_per_s = 1e11
compute.bandwidth_bytes_per_s = 1e10
compute.launch_s = 3e-5
compute.half_flops = 1e7
power = { static_w = 1.0, dynamic_w = 4.0, memory_w = 1.0, activity_floor = 0.3, node = "die" }

[accelerators.sources]
""" + "".join(
    f'"{key}" = "{_ALL}"\n'
    for key in (
        *("compute.peak_flops_per_s", "compute.bandwidth_bytes_per_s", "compute.launch_s"),
        *("compute.half_flops", "power.static_w", "power.dynamic_w", "power.memory_w"),
        *("power.activity_floor", "power.node"),
    )
)
"""Makes of the HiKey 970's GPU one that trains."""


def _with_gpu(old: str = "", new: str = "") -> str:
    assert old in GPU
    return _changed("\n[accelerators.sources]\n", GPU.replace(old, new, 1))


def test_an_accelerator_that_trains_can_be_decided_over() -> None:
    """With operating points, compute and power; the NPU of this board has none of them."""
    board = parse_board(_with_gpu(), origin="mine.toml")
    assert ["mali-g72"] == [accelerator.name for accelerator in board.compute_accelerators]
    (gpu,) = board.compute_accelerators
    assert gpu.compute is not None
    assert gpu.power is not None
    assert (1e11, "die") == (gpu.compute.peak_flops_per_s, gpu.power.node)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("launch_s = 3e-5", "launch_s = -1.0", "compute.launch_s must not be negative (got -1.0)"),
        ("1e11", "0.0", "compute.peak_flops_per_s must be positive (got 0.0)"),
        ("floor = 0.3", "floor = 1.3", "power.activity_floor must lie in 0 ... 1 (got 1.3)"),
        ('node = "die"', 'node = "gpu"', "power.node must name a thermal node (got 'gpu')"),
        ("static_w = 1.0", "static_w = -1.0", "power.static_w must not be negative (got -1.0)"),
        ('"power.node" = "assumed: made up"', "", "must say where every value comes from"),
    ],
)
def test_a_wrong_value_of_an_accelerator_is_named(old: str, new: str, message: str) -> None:
    """As any other of the file."""
    with pytest.raises(InvalidInput) as error:
        parse_board(_with_gpu(old, new), origin="mine.toml")
    assert "mine.toml: accelerators.mali-g72" in str(error.value)
    assert message in str(error.value)


def test_an_accelerators_compute_needs_its_power_and_operating_points() -> None:
    """A pace without watts would train for nothing."""
    board = parse_board(_with_gpu(), origin="mine.toml")
    gpu = board.accelerators[0]
    lacks: tuple[dict[str, object], ...] = ({"power": None}, {"compute": None}, {"opps": ()})
    for lacking in lacks:
        spoilt = replace(board, accelerators=(replace(gpu, sources={}, **lacking),))
        assert any(
            "accelerators.mali-g72 must have compute and power together, and then opps" in problem
            for problem in check(spoilt)
        )


def test_an_accelerator_must_not_be_named_as_a_cluster() -> None:
    """A place to train is told by its name alone."""
    board = parse_board(_with_gpu(), origin="mine.toml")
    spoilt = replace(board, accelerators=(replace(board.accelerators[0], name="big"),))
    assert any("accelerators.name must be none of another" in found for found in check(spoilt))


def test_a_cluster_without_operating_points_is_refused() -> None:
    """No operating point means that the highest one would be number -1."""
    text = _board([1])
    start, end = text.index("opps = ["), text.index("core_wfi_w")
    with pytest.raises(InvalidInput, match=r"opps must hold at least one operating point"):
        parse_board(text[:start] + "opps = []\n" + text[end:], origin="mine.toml")


def test_a_cluster_without_cores_is_refused() -> None:
    """An empty cluster has no utilisation and no thread could use it."""
    with pytest.raises(InvalidInput) as error:
        parse_board(_board([2, 0]), origin="mine.toml")
    assert "mine.toml: clusters.cluster1.cores must hold at least one core" in str(error.value)


def test_text_that_is_not_toml_is_refused_with_the_place() -> None:
    """The reader's own message tells line and column."""
    with pytest.raises(InvalidInput, match=r"^mine\.toml: must be a TOML file \(.*line 1"):
        parse_board("clusters: [little, big]", origin="mine.toml")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    """A picture given by mistake is no reason for a traceback."""
    file = tmp_path / "picture.toml"
    file.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InvalidInput, match=r"picture\.toml: cannot be read as text"):
        load_board(str(file))


def test_a_missing_file_is_answered_with_what_is_known(tmp_path: Path) -> None:
    """A mistyped name and a mistyped path get the same helpful answer."""
    path = str(tmp_path / "nothing.toml")
    with pytest.raises(InvalidInput) as error:
        load_board(path)
    assert (
        f"board must be one of {', '.join(shipped_boards())}, or the path of a board file "
        f"(got {path!r}); see 'ilgov board list'"
    ) == str(error.value)


def test_check_names_all_contradictions_not_only_the_first() -> None:
    """A probe that writes a board file wants the whole list."""
    board = load_board("hikey970")
    wrong = msgspec.structs.replace(board, schema=9, clusters=board.clusters[:1])
    problems = list(check(wrong))
    assert "schema must be 1 (got 9)" == problems[0]
    assert any("thermal.nodes.core must name every core once" in line for line in problems)
