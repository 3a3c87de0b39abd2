"""Tests of tuning: the same grid for all, the validation accuracy decides."""

from tests.training.federated.compare.outcomes import outcome
from tests.training.federated.toy import SYSTEM, toy_setup
from training.federated.compare.plan import StudyPlan
from training.federated.compare.tuning import SEED, Trial, choose, ends, grid_of
from training.federated.study import Size

GRID = {"learning_rate": (0.02, 0.1, 0.5), "steps": (1, 4)}
SIZE = Size(name="own", rounds=3, seeds=4, grid_points=3)


def test_the_grid_is_the_product_of_its_options() -> None:
    """Every value of one with every value of the other."""
    grid = grid_of(toy_setup(), GRID, 3)
    assert 6 == len(grid) == len({tuple(point.items()) for point in grid})
    assert {"learning_rate": 0.02, "steps": 1} == grid[0]


def test_an_option_that_a_setup_names_is_not_tuned_for_it() -> None:
    """A study may hold it fixed, to show what tuning changes."""
    grid = grid_of(toy_setup(options={"learning_rate": 0.3}), GRID, 3)
    assert ({"steps": 1}, {"steps": 4}) == grid


def test_the_best_validation_accuracy_at_the_end_is_taken() -> None:
    """Not the best in between, and never the test accuracy."""
    tried = [
        outcome([0.1, 0.9, 0.6], validations=[0.1, 0.9, 0.6]),
        outcome([0.1, 0.2, 0.3], validations=[0.1, 0.2, 0.7]),
        outcome([0.1, 0.9, 0.9], validations=[0.1, 0.2, 0.2]),
    ]
    assert 1 == choose(tried)


def test_of_equals_the_faster_is_taken() -> None:
    """Then the one that comes first in the grid."""
    slow, fast = outcome([0.1, 0.2, 0.7]), outcome([0.1, 0.6, 0.7])
    assert 1 == choose([slow, fast, fast])


def test_a_choice_at_the_end_of_a_grid_is_told() -> None:
    """A wider grid might have a better one; where the next value does as well, it hardly would."""
    tried = [
        Trial(options=point, validation=validation)
        for point, validation in zip(
            grid_of(toy_setup(), GRID, 3), (0.5, 0.6, 0.7, 0.8, 0.9, 0.8), strict=True
        )
    ]
    assert ("learning_rate", "steps") == ends(tried, {"learning_rate": 0.5, "steps": 1})
    assert ("learning_rate",) == ends(tried[0::2], {"learning_rate": 0.5, "steps": 1})
    level = [Trial(options=trial.options, validation=0.9) for trial in tried]
    assert () == ends(level, {"learning_rate": 0.02, "steps": 1})
    assert () == ends(tried, {"learning_rate": 0.1, "steps": 4})


def test_all_methods_are_tuned_on_the_same_points_with_a_seed_of_their_own() -> None:
    """Rankings flip where one method is tuned and the other is not."""
    plan = StudyPlan("toy", SYSTEM.study(), SIZE)
    tried = [[cell.setup.options for cell in own] for own in plan.tuning()]
    assert [{"learning_rate": rate} for rate in (0.02, 0.1, 0.5)] == tried[0] == tried[1]
    assert {SEED} == {cell.setup.seed for own in plan.tuning() for cell in own}
    chosen = [{"learning_rate": 0.1}, {"learning_rate": 0.5}]
    final = plan.final(chosen)
    assert [[1, 2, 3, 4]] * 2 == [[cell.setup.seed for cell in own] for own in final]
    assert chosen == [own[0].setup.options for own in final]


def test_one_point_is_not_tried_by_itself() -> None:
    """There is nothing to choose."""
    plan = StudyPlan("toy", SYSTEM.study(), Size(name="own", rounds=3, seeds=2, grid_points=1))
    assert [[], []] == plan.tuning()
    assert [({"learning_rate": 0.1},)] * 2 == plan.grids


def test_robust_cells_are_the_first_half_of_the_final_ones_with_losses() -> None:
    """The same seeds, so that the change is paired."""
    plan = StudyPlan("toy", SYSTEM.study(), SIZE)
    chosen = [{"learning_rate": 0.1}, {"learning_rate": 0.5}]
    for final, robust in zip(plan.final(chosen), plan.robust(chosen), strict=True):
        assert [cell.setup for cell in final[:2]] == [cell.setup for cell in robust]
        assert {("robust", 0.3)} == {(cell.stage, cell.drop_share) for cell in robust}
    assert 2 * (3 + 4 + 2) == plan.count()
