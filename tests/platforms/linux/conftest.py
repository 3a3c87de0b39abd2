"""Fixtures for all tests of Linux's interfaces."""

import pytest


@pytest.fixture(autouse=True)
def disk_that_is_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk: it would first write the hundreds of files of a new fake root.

    Nothing here tests what outlives a power cut: after one, the journal is void. That the disk is
    waited for, and when, is tested by counting.
    """
    monkeypatch.setattr("os.fdatasync", lambda descriptor: None)
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
