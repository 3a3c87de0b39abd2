"""Tests of what is read from the cells, and of how it is said."""

import statistics
from math import exp, inf, log

import msgspec
import pytest

from tests.training.federated.powercap.small import SHARES, made_up, some_cells
from training.federated.powercap.chosen import CAPPING, PLANNER
from training.federated.powercap.curves import with_fewer_seeds
from training.federated.powercap.document import (
    Document,
    Gain,
    Group,
    document_json,
    document_of,
    percentile,
)
from training.federated.powercap.grid import Cell
from training.federated.powercap.kept_counts import _counted
from training.federated.powercap.tables import all_tables, verdict


def made(cells: list[Cell]) -> Document:
    """The document of some cells."""
    return document_of(cells, [made_up()], seeds=2, cooling="fan", cap_shares=SHARES)


def test_regret_is_of_all_cells() -> None:
    """Recounted here."""
    cells = some_cells(made_up())
    values = sorted(value for cell in cells if (value := cell.regret(PLANNER)) is not None)
    last = made(cells).regrets[-1]
    assert (Group(board=None, rule=None), len(cells)) == (last.group, last.n)
    assert (values[1], values[-1]) == (last.median, last.most)
    assert values[0] >= 0.0


def test_a_far_choice_does_not_hold_and_is_named() -> None:
    """The proxy says the opposite of the target."""
    found = made(some_cells(made_up(proxy=(9000.0, 5000.0, 100.0))))
    assert not found.holds
    assert "DOES NOT HOLD over all 3 cells" in verdict(found)
    assert "jetson-nano with the rule sqrt" in verdict(found)


def test_a_near_choice_holds() -> None:
    """The proxy is the target."""
    same = (500.0, 600.0, 2400.0)
    found = made(some_cells(made_up(proxy=same, target=same)))
    assert found.holds
    assert verdict(found).endswith("and for each board and rule")


def test_gains_are_geometric_means_over_cells() -> None:
    """Recounted here; both seeds have the same ratio, so the interval is narrow."""
    cells = some_cells(made_up())
    ratios = [
        theirs.mean_s / ours.mean_s
        for cell in cells
        if (ours := cell.taken[PLANNER]) and (theirs := cell.taken[CAPPING])
    ]
    gain = whole_gain(made(cells))
    assert exp(statistics.mean(map(log, ratios))) == pytest.approx(gain.mean.mean)
    assert gain.mean.low == pytest.approx(gain.mean.high)
    assert (min(ratios), max(ratios), len(ratios)) == (gain.least, gain.most, gain.n)
    assert len(cells) == gain.n + gain.alone
    (by_network,) = made(cells).gains_by_network
    assert ("jetson-nano", "tiny-4") == (by_network.group.board, by_network.group.training)
    assert gain.mean == by_network.mean


def test_a_proxy_of_fewer_seeds_has_a_line_of_its_own() -> None:
    """It counts in no other figure."""
    counted = made_up()
    cells = some_cells(counted)
    few = some_cells(with_fewer_seeds(counted, 1))
    found = made([*cells, *few])
    assert [1, 2] == [one.proxy_seeds for one in found.few_seeds]
    assert made(cells).regrets == found.regrets
    assert found.regrets[-1] == found.few_seeds[-1].regret


def whole_gain(document: Document) -> Gain:
    """Over capping, of all cells."""
    return [gain for gain in document.gains if gain.method == CAPPING][-1]


def test_nothing_to_judge_is_said() -> None:
    """No mode ever gets the target there."""
    found = made(some_cells(made_up(target=(inf, inf, inf))))
    assert not found.holds
    assert "nothing to judge" in verdict(found)


def test_percentiles_take_the_upper_value() -> None:
    """No value is made up between two, and infinity stays."""
    assert inf == percentile([0.0, 0.0, inf], 0.95)
    assert 0.0 == percentile([0.0, 0.0, inf], 0.5)


def test_the_paper_stands_beside_the_gain() -> None:
    """With what it is against."""
    (paper,) = [one.paper for one in all_tables(made(some_cells(made_up()))) if "2.3" in one.paper]
    assert "2.4" in paper
    assert "not confirmed" in paper


def test_json_has_null_for_never_and_is_read_as_infinite() -> None:
    """JSON has no infinity."""
    counted = made_up(proxy=(300.0, 700.0, inf))
    kept = msgspec.json.decode(msgspec.json.encode(counted))
    assert None in kept["proxy"]["128"]
    assert counted == _counted(kept)


def test_json_without_the_whole_has_what_is_read() -> None:
    """For scripts."""
    found = msgspec.json.decode(document_json(made(some_cells(made_up())), whole=False))
    assert {"regrets", "gains", "kept", "holds"} < set(found)
    assert "cells" not in found
