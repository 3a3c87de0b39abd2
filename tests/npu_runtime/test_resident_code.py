"""Tests of giving code back: less memory, and nothing else changes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from npu_runtime import resident_code
from npu_runtime.load import open_policy
from npu_runtime.policy_file import read_policy_file
from npu_runtime.resident_code import give_back_code, give_back_files

ROOT = Path(__file__).parents[2]
POLICY = ROOT / "rm" / "policies" / "shipped" / "topil-hikey970.onnx"

MEASURE = """
import sys
from npu_runtime import onnxruntime_backend
from npu_runtime.load import open_policy
from npu_runtime.policy_file import read_policy_file
if sys.argv[2] == "keep":
    onnxruntime_backend.give_back_code = lambda library: None
file = read_policy_file(sys.argv[1])
policy = open_policy(file, backend="onnxruntime")
for _ in range(100):
    policy.run(file.metadata.parity_rows()[0])
print(open("/proc/self/statm").read().split()[1])
"""


def resident_mib(what: str) -> float:
    """Memory of a new process after 100 decisions, MiB."""
    command = [sys.executable, "-c", MEASURE, str(POLICY), what]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(ended.stdout) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_process_with_onnxruntime_is_much_smaller() -> None:
    """By 8 MiB at least, for good: a hundred decisions do not fetch it back."""
    assert resident_mib("keep") - resident_mib("give back") > 8.0


def test_scores_are_the_same_afterwards() -> None:
    """Whatever was given back comes again when it is called."""
    file = read_policy_file(POLICY)
    rows, scores = file.metadata.parity_rows()
    policy = open_policy(file, backend="onnxruntime")
    give_back_code("onnxruntime_")
    np.testing.assert_allclose(policy.run(rows), scores, atol=1e-4)


def test_a_kernel_that_shows_no_mappings_is_no_error(tmp_path: Path) -> None:
    """It is a saving, not a duty."""
    assert 0 == give_back_code("onnxruntime_", maps=tmp_path / "nowhere")
    assert 0 == give_back_files(maps=tmp_path / "nowhere")
    assert 0 == give_back_code("no such library")


LINES = """\
{a:x}-{b:x} r-xp 00000000 fe:00 1234 /usr/lib/libm.so
{a:x}-{b:x} r--p 00000000 fe:00 1234 /usr/lib/libm.so (deleted)
{a:x}-{b:x} rw-p 00000000 fe:00 1234 /usr/lib/libm.so
{a:x}-{b:x} r-xs 00000000 fe:00 1234 /usr/lib/shared
{a:x}-{b:x} r-xp 00000000 00:00 0 [vdso]
{a:x}-{b:x} r--p 00000000 00:00 0
{a:x}-{b:x} rw-p 00000000 00:00 0 [heap]
not a mapping
"""


def test_only_what_can_be_read_again_from_a_file_is_given_back(tmp_path: Path) -> None:
    """Code and constants: no data that was written to, nothing without a file."""
    maps = tmp_path / "maps"
    maps.write_text(LINES.format(a=0x10000, b=0x30000))
    found = list(resident_code._mappings(maps))
    assert [(0x10000, 0x20000)] * 2 == [(m.start, m.length) for m in found]
    assert [True, False] == [m.is_code for m in found]


def test_file_names_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    """Files may be called anything."""
    maps = tmp_path / "maps"
    maps.write_bytes(b"10000-30000 r-xp 0 fe:00 1 /tmp/\xff\xfe.so\n")
    assert [(0x10000, 0x20000)] == [(m.start, m.length) for m in resident_code._mappings(maps)]


def test_mappings_that_are_not_there_are_passed_over(tmp_path: Path) -> None:
    """The kernel answers ENOMEM."""
    maps = tmp_path / "maps"
    maps.write_text("1000-2000 r-xp 0 fe:00 1 /nowhere\n")
    assert 0 == give_back_files(maps=maps)
    assert 0 == give_back_code("nowhere", maps=maps)
