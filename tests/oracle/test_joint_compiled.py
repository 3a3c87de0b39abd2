"""Compiled code is kept on disk, and must not outlive the source that it was compiled from."""

from pathlib import Path

import pytest

from oracle.joint import compiled
from oracle.joint.best_first import search_slice


def test_a_change_in_any_file_makes_what_is_kept_worthless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only a change in the file of the function that Python calls."""
    files = [tmp_path / name for name in ("compiled.py", "called.py")]
    for file in files:
        file.write_text("1\n")
    monkeypatch.setattr(compiled, "__file__", str(files[0]))
    before = compiled.sources_digest()
    assert before == compiled.sources_digest()
    files[1].write_text("2\n")
    assert before != compiled.sources_digest()


def test_the_search_is_kept_under_the_digest_of_its_sources() -> None:
    """Numba compares the stamp before it loads anything."""
    kept = search_slice._cache._cache_file  # type: ignore[attr-defined]
    assert compiled.sources_digest() == kept._source_stamp
