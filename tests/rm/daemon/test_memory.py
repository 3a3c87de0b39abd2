"""Tests of what is given back after the start."""

import gc

import pytest

from rm.daemon.memory import give_back_start_up_memory


def test_a_process_goes_on_after_it_and_has_nothing_left_to_collect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it offers is some of its own files' pages; where the kernel refuses it is nothing."""
    frozen = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))
    offered_bytes = give_back_start_up_memory()
    assert 0 <= offered_bytes < 1 << 40
    assert [True] == frozen
    assert 6 == sum(map(int, "123"))
