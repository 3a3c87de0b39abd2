"""What tests of policies share."""

from pathlib import Path

import pytest

from rm.policies import shipped_files


@pytest.fixture
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped policies that is empty."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(shipped_files, "FOLDER", folder)
    return folder
