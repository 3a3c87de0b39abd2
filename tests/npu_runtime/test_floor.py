"""Tests of what the package stands on: little, so that the daemon starts fast and stays small."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ALLOWED = {"npu_runtime", "numpy", "onnxruntime", "msgspec"} | set(sys.stdlib_module_names)

MORE = {
    "npu_runtime/rknn_backend.py": {"rknnlite"},
    "npu_runtime/convert/rknn_script.py": {"rknn"},
    "npu_runtime/convert/half.py": {"onnx"},
    "npu_runtime/convert/int8.py": {"onnx"},
    "npu_runtime/convert/policy_onnx.py": {"onnx"},
}
"""What single files may import besides: a vendor's library where it is, onnx to convert with."""


def test_the_package_imports_numpy_onnxruntime_and_msgspec_alone() -> None:
    """It knows no board, and neither torch nor onnx is on a board."""
    for file in (ROOT / "npu_runtime").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            allowed = ALLOWED | MORE.get(str(file.relative_to(ROOT)), set())
            assert {name.partition(".")[0] for name in names} <= allowed, file


def test_importing_what_the_daemon_opens_imports_neither_onnx_nor_a_vendors_library() -> None:
    """They are for conversion, and for the process that a back end has to itself."""
    code = (
        "import sys, npu_runtime.load, npu_runtime.isolation_child, npu_runtime.rknn_backend;"
        "sys.exit(bool({'onnx', 'rknn', 'rknnlite'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_importing_everything_does_not_import_onnxruntime() -> None:
    """`ilgov --help` and a fallback to numpy must not pay for it, or fail without it."""
    code = (
        "import sys, npu_runtime.load, npu_runtime.isolation, npu_runtime.numpy_backend;"
        "sys.exit('onnxruntime' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
