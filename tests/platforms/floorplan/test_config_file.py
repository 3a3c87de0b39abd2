"""Package files and lists of materials: what is read, what is refused and why."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from platforms.floorplan.config_file import read_config
from platforms.floorplan.materials_file import read_materials
from platforms.floorplan.package import Layer, Package
from tests.platforms.floorplan.conftest import CONFIG, MATERIALS

Write = Callable[[str, str], Path]


def test_what_a_package_leaves_out_is_as_in_hotspot(write: Write) -> None:
    """Its defaults are its own, not those of its example; keys left out are listed."""
    package = read_config(write("empty.config", "# nothing\n"))
    assert Package() == package
    assert Layer(0.15e-3, 100.0, 1.75e6) == package.chip
    assert (0.06, 0.03, 0.1, 140.4) == (
        package.sink_side_m,
        package.spreader_side_m,
        package.convection_k_per_w,
        package.convection_j_per_k,
    )
    assert (318.15, 333.15, 3.333e-6) == (package.ambient_k, package.init_k, package.step_s)
    assert {"t_chip", "r_convec", "sampling_intvl"} <= set(package.defaulted)


def test_keys_are_read_whatever_their_case_and_comments_may_follow(write: Write) -> None:
    """As HotSpot reads them, which stops at the value."""
    package = read_config(write("a.config", "-T_Chip 0.0003 # thick\n\t-init_file a.steady\n"))
    assert Package().chip == replace(package.chip, thickness_m=0.15e-3)
    assert (0.0003, "a.steady") == (package.chip.thickness_m, package.init_file)


def test_switches_of_the_block_model_are_read(write: Write) -> None:
    """DTM clips the start at the threshold, HotSpot's own or the file's."""
    text = "-dtm_used 1\n-leakage_used 1\n-block_omit_lateral 1\n-init_file (null)\n"
    package = read_config(write("a.config", text))
    assert (True, True, None) == (package.leakage, package.omit_lateral, package.init_file)
    assert 354.95 == package.clip_k
    assert 400 == read_config(write("b.config", text + "-thermal_threshold 400\n")).clip_k


def test_a_named_material_counts_more_than_numbers(write: Write) -> None:
    """As in HotSpot."""
    materials = read_materials(write("m.materials", MATERIALS))
    text = "-material_chip silicon\n-k_chip 5\n"
    package = read_config(write("a.config", text), materials)
    assert Layer(0.15e-3, 120.0, 1.6e6) == package.chip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("-t_chip 0.15", "line 1, column 2: t_chip must lie in 1e-09 ... 0.1 m .got 0.15"),
        ("-t_chip thin", "line 1, column 2: t_chip must be a number .got 'thin'"),
        ("-ambient 45", "line 1, column 2: ambient must lie in 150 ... 1000 K .got 45"),
        ("-r_convec -1", "line 1, column 2: r_convec must lie in 0 ..."),
        ("-sampling_intvl 0", "line 1, column 2: sampling_intvl must lie in"),
        ("-t_chip", "line 1: must be: -key value .got '-t_chip'"),
        ("t_chip 0.0001", "line 1: must be: -key value"),
        ("-t_chip 0.1 mm", "line 1, column 3: must end after the value .got 'mm'"),
        ("-r_convect 1", "line 1, column 1: must be a key of HotSpot .*did you mean -r_convec"),
        ("-leakage_used yes", "line 1, column 2: leakage_used must be 0 or 1 .got 'yes'"),
        ("-model_type grid", "line 1, column 2: model_type must be block: the grid model is not"),
        ("-model_secondary 1", "line 1, column 2: model_secondary must be 0: HotSpot's block"),
        ("-grid_layer_file a.lcf", "column 2: grid_layer_file must be .null.: stacked layers"),
        ("-use_microfluidic_cooling 1", "column 2: use_microfluidic_cooling must be 0"),
        ("-package_model_used 1", "column 2: package_model_used must be 0: the fan"),
        ("-leakage_mode 1", "column 2: leakage_mode must be 0"),
        ("-s_sink 0.02", "s_sink must not be below s_spreader = 0.03 m .got 0.02"),
        ("-material_chip silicon", "line 1: material_chip needs the list .*--materials FILE"),
        ("-ambient 300\n-ambient 310", "line 2, column 2: ambient must have one value .*in line 1"),
    ],
)
def test_a_wrong_package_is_refused_with_its_place(write: Write, line: str, message: str) -> None:
    """Units, spelling, and all that HotSpot's block model as built here cannot do."""
    with pytest.raises(InvalidInput, match=rf"bad\.config[:,] .*{message}"):
        read_config(write("bad.config", line + "\n"))


def test_a_package_that_was_cut_is_refused(write: Write) -> None:
    """HotSpot would drop the last line without a word."""
    with pytest.raises(InvalidInput, match=r"cut\.config, line 9: must end with a line break"):
        read_config(write("cut.config", CONFIG[:-3]))


@pytest.mark.parametrize(
    ("name", "reason"), [("water", "got 'water'"), ("gold", "silicon .got 'gold'")]
)
def test_a_layer_must_be_of_a_solid_that_is_known(write: Write, name: str, reason: str) -> None:
    """The message lists the solids there are."""
    materials = read_materials(write("m.materials", MATERIALS))
    with pytest.raises(InvalidInput, match=rf"line 1, column 2: material_sink .*{reason}"):
        read_config(write("a.config", f"-material_sink {name}\n"), materials)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("copper\nsolid\n400\n", "line 3: must be followed by the volumetric heat capacity of"),
        ("copper\n", "line 1: must be followed by copper: solid or fluid"),
        ("copper\ngas\n400\n3e6\n", "line 2: type of copper must be solid or fluid .got 'gas'"),
        ("copper\nsolid\nmuch\n3e6\n", "line 3, column 1: thermal conductivity must be a number"),
        ("copper\nsolid\n-4\n3e6\n", "line 3: thermal conductivity of copper must be positive"),
        ("a\nsolid\n4\n3e6\na\nsolid\n4\n3e6\n", "line 5: name must be unique"),
        ("copper solid\n", "line 1: must be a material's name alone"),
        ("copper\nsolid\n400\n3.5", "line 4: must end with a line break"),
    ],
)
def test_a_wrong_list_of_materials_is_refused(write: Write, text: str, message: str) -> None:
    """With file and line."""
    with pytest.raises(InvalidInput, match=rf"bad\.materials, {message}"):
        read_materials(write("bad.materials", text))
