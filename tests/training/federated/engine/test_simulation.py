"""Tests of the simulation that need no Ray; see test_engines for those that do."""

import os

import pytest

from training.federated.engine.flower.simulation import shut_ray


def test_ray_listens_only_to_those_who_know_the_runs_own_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It unpickles what it is sent, at all of the machine's addresses."""
    found = set()
    for _ in range(2):
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        monkeypatch.setenv("RAY_AUTH_TOKEN", "known")
        shut_ray()

        assert "token" == os.environ["RAY_AUTH_MODE"]
        found.add(os.environ["RAY_AUTH_TOKEN"])
    assert 2 == len(found - {"known"})
    assert all(len(token) == 64 for token in found)
