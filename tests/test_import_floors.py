"""Tests of the house's floors: imports point down only, and the governor stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

BELOW = {
    "platforms": set[str](),
    "npu_runtime": set[str](),
    "traces": {"platforms", "npu_runtime"},
    "rm": {"platforms", "npu_runtime", "traces"},
    "oracle": {"platforms", "npu_runtime", "traces", "rm"},
    "training": {"platforms", "npu_runtime", "traces", "rm", "oracle"},
}
"""What each package may import of ours."""

TOO_HEAVY_FOR_RM = {"pandas", "pyarrow", "scipy", "torch"}


def sources(package: str) -> list[Path]:
    """The source files of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """The top-level names that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", BELOW)
def test_imports_point_down(package: str) -> None:
    """Whoever reads one floor need not know those above; what goes up goes through entry points."""
    forbidden = set(BELOW) - BELOW[package] - {package}
    wrong = {
        str(file.relative_to(ROOT)): sorted(upward)
        for file in sources(package)
        if (upward := forbidden & set(imports(file)))
    }
    assert {} == wrong


@pytest.mark.parametrize("package", BELOW)
def test_only_known_packages_are_imported_of_our_own(package: str) -> None:
    """Tests and benchmarks are never installed."""
    for file in sources(package):
        assert not {"tests", "benchmarks"} & set(imports(file)), file


def light_part_of_rm() -> list[Path]:
    """All of `rm` but the evaluation, which reads and writes results."""
    evaluation = ROOT / "rm" / "evaluation"
    return [file for file in sources("rm") if evaluation not in file.parents]


def test_rm_imports_no_heavy_library() -> None:
    """The governor starts fast and stays small on a board."""
    wrong = {
        str(file.relative_to(ROOT)): sorted(heavy)
        for file in light_part_of_rm()
        if (heavy := TOO_HEAVY_FOR_RM & set(imports(file)))
    }
    assert {} == wrong


def loaded_by(*modules: str) -> set[str]:
    """The top-level names of all that a new interpreter has loaded after importing modules."""
    script = (
        "import sys, importlib\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, *modules],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.split())


def test_nothing_heavy_comes_in_through_other_packages_either() -> None:
    """A module that rm imports may itself import what rm must not."""
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in light_part_of_rm()
    ]
    assert "rm.governor" in names
    too_much = {*TOO_HEAVY_FOR_RM, "oracle", "training", "onnx", "plotly", "rich"}
    assert set() == too_much & loaded_by(*names)


def test_importing_rm_itself_loads_nothing() -> None:
    """A client of the daemon is an application that has other things to do."""
    libraries = {"numpy", "msgspec", "onnxruntime", "psutil", "platforms", "npu_runtime", "traces"}
    assert set() == (libraries | TOO_HEAVY_FOR_RM) & loaded_by("rm")


def test_importing_traces_loads_no_parquet_library() -> None:
    """Only those who open a file need one."""
    assert set() == TOO_HEAVY_FOR_RM & loaded_by("traces", "traces.schema", "traces.workers")
