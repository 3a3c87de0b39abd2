"""Tests of the registry: policies are found by name, whoever brings them."""

from importlib.metadata import EntryPoint

import pytest

from platforms.errors import InvalidInput
from rm.policies import registry
from rm.policies.gts import make_ondemand
from rm.policies.registry import PolicyContext, policy_factory, policy_names
from tests.platforms.programs import simulated
from tests.rm.readings import HIKEY


def test_our_own_policies_are_registered() -> None:
    """Those of this package, and the oracle's from a higher one."""
    assert {"topil", "gts-ondemand", "gts-powersave", "oracle"} <= set(policy_names())
    assert list(policy_names()) == sorted(policy_names())


def test_a_name_gives_its_factory() -> None:
    """Loaded only now: a policy's libraries are its own affair."""
    assert make_ondemand is policy_factory("gts-ondemand")


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    """The user sees what to type instead."""
    with pytest.raises(InvalidInput, match=r"policy must be one of .*gts-ondemand.* \(got 'gts'\)"):
        policy_factory("gts")


@pytest.mark.parametrize("name", ["gts-ondemand", "gts-powersave", "oracle"])
def test_a_policy_made_by_name_has_that_name(name: str) -> None:
    """Results are told apart by it."""
    board = simulated()
    assert name == policy_factory(name)(PolicyContext(HIKEY, board)).name


def test_a_third_party_can_add_a_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point is all it takes."""
    theirs = EntryPoint("theirs", "rm.policies.gts:make_powersave", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [theirs])
    assert ("theirs",) == policy_names()
    assert "gts-powersave" == policy_factory("theirs")(PolicyContext(HIKEY, simulated())).name
