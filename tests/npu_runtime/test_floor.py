"""Tests of what the package stands on: little, so that the daemon starts fast and stays small."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = {"npu_runtime", "numpy", "onnxruntime", "msgspec"} | set(sys.stdlib_module_names)


def test_the_package_imports_numpy_onnxruntime_and_msgspec_alone() -> None:
    """It knows no board, and neither torch nor onnx is on a board."""
    for file in (ROOT / "npu_runtime").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= ALLOWED, file


def test_importing_everything_does_not_import_onnxruntime() -> None:
    """`ilgov --help` and a fallback to numpy must not pay for it, or fail without it."""
    code = (
        "import sys, npu_runtime.load, npu_runtime.isolation, npu_runtime.numpy_backend;"
        "sys.exit('onnxruntime' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
