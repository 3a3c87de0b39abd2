"""Tests of which cores are plugged in."""

from pathlib import Path

import pytest

from platforms.linux.errors import Unreadable
from platforms.linux.online_cores import OnlineCores
from tests.platforms.linux.fake_root import FakeRoot


def test_cores_come_and_go(tmp_path: Path) -> None:
    """Seen at the next read."""
    root = FakeRoot(tmp_path)
    online = OnlineCores(root.path)
    assert frozenset(range(8)) == online.read()
    root.unplug(5)
    assert frozenset({0, 1, 2, 3, 4, 6, 7}) == online.read()
    root.plug(5)
    assert frozenset(range(8)) == online.read()
    assert frozenset(range(8)) == online.possible()


def test_a_machine_without_the_file_is_unreadable(tmp_path: Path) -> None:
    """Not an empty machine."""
    with pytest.raises(Unreadable, match="online must be readable"):
        OnlineCores(tmp_path).read()
