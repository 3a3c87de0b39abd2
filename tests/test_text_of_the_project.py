"""Tests of the text in all files: it must hold for every reader, on every machine."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
THIS_FILE = "tests/test_text_of_the_project.py"
LICENCE = "LICENSE"

FORBIDDEN = {
    "an absolute path of somebody's machine": r"(?<![\w.])/(work|opt|home|root|tmp)/\w",
    "a local package index": r"file:///|--?(extra-)?index-url|--find-links",
    "an address in a private network": r"\b(10|192\.168|172\.16)\.\d+\.\d+(\.\d+)?\b(?!\.\d)",
    "a note to oneself": r"\b(TODO|FIXME|XXX|HACK)\b",
    "a tool that wrote it": r"(?i)\b(claude|anthropic|chatgpt|copilot|ai assistant)\b",
    "how it came about": r"(?i)\b(this|previous|next|last|earlier) session\b",
    "a tracker that readers cannot see": r"(?i)\bissues?\b",
    "a note that readers do not have": r"\b(reference/\w+|design|contract|peers|style)\.md\b",
    "a folder that readers do not have": r"(?<!\.\./)\bshared/",
}


def git_lists(*options: str) -> set[str]:
    """The paths that ``git ls-files`` lists."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--exclude-standard", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    return {name for name in listing.stdout.split("\0") if (ROOT / name).is_file()}


def text_files() -> list[str]:
    """All files that belong to the project and are text, by their path in it."""
    names = git_lists("--cached", "--others") - git_lists("--cached", "--ignored")
    return sorted(name for name in names if b"\0" not in (ROOT / name).read_bytes()[:8192])


def test_nothing_that_is_ignored_is_tracked() -> None:
    """What a build makes, an environment above all, does not belong into the history."""
    tracked = git_lists("--cached", "--ignored")
    assert set() == {"/".join(name.split("/")[:2]) for name in tracked}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_mentions(what: str) -> None:
    """Such text is true for its author only."""
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name in text_files()
        if name not in {THIS_FILE, LICENCE}
        for number, line in enumerate((ROOT / name).read_text("utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert [] == found


def test_measured_data_are_looked_for_by_tests_only() -> None:
    """What is installed must not depend on what lies beside a checkout."""
    found = [
        name
        for name in text_files()
        if not name.startswith(("tests/", "benchmarks/"))
        and "shared/data" in (ROOT / name).read_text("utf-8")
    ]
    assert [] == found


def test_every_file_is_utf_8_and_ends_with_one_line_break() -> None:
    """Anything else shows up as noise in the next change."""
    wrong = []
    for name in text_files():
        text = (ROOT / name).read_bytes().decode("utf-8")
        if text and (not text.endswith("\n") or text.endswith("\n\n") or "\r" in text):
            wrong.append(name)
    assert [] == wrong
