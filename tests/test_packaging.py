"""Tests of the installed distribution: what others see of it before they run anything."""

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """The table ``project`` of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def requirements(extra: str | None) -> set[str]:
    """Names of the distributions that the base install or an extra brings."""
    found = set()
    for text in metadata.requires("ilgov") or []:
        name = re.match(r"[\w-]+", text)
        marker = re.search(r"extra == ['\"](\w+)['\"]", text)
        if name and (marker[1] if marker else None) == extra:
            found.add(name[0])
    return found


def test_the_installed_version_is_that_of_the_sources(project: dict[str, Any]) -> None:
    """Where they differ, the environment is stale: the other tests would test something else."""
    assert project["version"] == metadata.version("ilgov")


def test_the_licence_is_named_and_shipped_in_full() -> None:
    """Reusing code needs both."""
    information = metadata.metadata("ilgov")
    assert "Apache-2.0" == information["License-Expression"]
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_base_install_is_small() -> None:
    """A board gets what the governor needs, and nothing to train or to draw with."""
    assert {"numpy", "scipy", "psutil", "msgspec", "onnxruntime"} == requirements(None)


@pytest.mark.parametrize(
    ("extra", "brings"),
    [
        ("train", {"torch", "onnx", "onnxscript", "numba", "pyarrow", "rich"}),
        ("report", {"numba", "plotly", "pyarrow", "rich"}),
        ("ray", {"ray"}),
        ("gymnasium", {"gymnasium"}),
        (
            "federated",
            {"flwr", "peft", "plotly", "rich", "safetensors", "scikit-learn", "torch"}
            | {"transformers"},
        ),
        ("privacy", {"flwr"}),
    ],
)
def test_each_extra_brings_what_its_commands_need(extra: str, brings: set[str]) -> None:
    """Error messages send users to these names."""
    assert brings == requirements(extra)


def test_python_below_3_11_is_refused_by_installers() -> None:
    """The code uses what 3.11 brought."""
    assert ">=3.11" == metadata.metadata("ilgov")["Requires-Python"]


@pytest.mark.parametrize("group", ["ilgov.commands", "ilgov.policies", "ilgov.judges"])
def test_every_entry_point_leads_to_a_function(group: str) -> None:
    """A renamed function would show only when a user calls it."""
    points = metadata.entry_points(group=group)
    assert points
    for point in points:
        assert callable(point.load()), point


def test_the_makefile_and_the_check_before_merging_name_real_targets() -> None:
    """What the help promises can be made."""
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test", "lint", "bench", "clean", "help"):
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
    for target in re.findall(r"^make (\w+)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE):
        assert f"\n{target}:" in makefile


def test_every_data_file_in_a_package_is_shipped() -> None:
    """A file that only a checkout has is missed by users, never by tests."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    for pattern in table["packages"]["find"]["include"]:
        package = ROOT / pattern
        shipped = {
            file for data in table["package-data"].get(pattern, []) for file in package.glob(data)
        }
        found = {
            file
            for file in package.rglob("*")
            if file.is_file() and file.suffix != ".py" and file.parent.name != "__pycache__"
        }
        assert shipped == found
