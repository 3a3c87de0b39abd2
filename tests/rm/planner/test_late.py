"""Where not all targets can be met: what misses least, and training that makes no more missed."""

import dataclasses

import numpy as np

from rm.mapping.packing import Mappings, pack
from rm.mapping.rows import describe
from rm.mapping.search import SHORTFALL_STEP
from rm.planner.divided import every_set
from rm.planner.foreground import needs
from rm.planner.late import least_late
from rm.planner.plans import Limits, RoundLeft
from tests.rm.mapping.demands import BOARDS, random_demand
from tests.rm.planner.questions import BOARDS as QUESTIONED
from tests.rm.planner.questions import drawn

BOARD = BOARDS["hikey970"]


def test_no_packing_misses_less_than_what_is_kept() -> None:
    """All of them are described."""
    for seed in range(5):
        demand = random_demand(BOARD, np.random.default_rng(seed), 4, heaviest=2.5)
        asked = needs(BOARD, demand)
        assignments = every_set(asked).assignments
        late = least_late(asked, assignments)
        mappings = pack(BOARD, asked.demand, assignments)
        shortfall = describe(BOARD, asked.demand, mappings).shortfall
        assert round(shortfall.min() / SHORTFALL_STEP) == late.steps
        kept = describe(BOARD, asked.demand, late.mappings)
        assert (np.round(kept.shortfall / SHORTFALL_STEP) == late.steps).all()


def test_training_goes_on_where_an_application_cannot_be_served_anyhow() -> None:
    """On cores that nobody uses, and without a target missed by more."""
    trained = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        question = dataclasses.replace(
            drawn("hikey970", seed),
            demand=random_demand(QUESTIONED["hikey970"], rng, 3, lightest=0.5, heaviest=2.0),
            left=RoundLeft(10.0, 100.0),
            limits=Limits(200.0),
        )
        found = question.answer()
        if "foreground" not in found.broken or found.mode is None:
            continue
        trained += 1
        unit = int(question.table.unit[found.mode])
        used = {g for x, g in zip(found.cluster, found.group, strict=True) if x == unit}
        assert len(used) + question.table.cores[found.mode] <= 4
        asked = question.asked(0.0)
        mapping = Mappings(np.array([found.cluster]), np.array([found.group]))
        shortfall = float(describe(asked.board, asked.demand, mapping).shortfall[0])
        least = least_late(asked, every_set(asked).assignments).steps
        assert round(shortfall / SHORTFALL_STEP) <= least
    assert trained >= 3
