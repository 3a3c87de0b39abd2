"""What a study's runs came to: accuracies and costs of a method over its seeds."""

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean

from msgspec import Struct

from rm.evaluation.summary import Interval, geometric_interval, interval
from training.federated.compare.protocols import reaching
from training.federated.study import Outcome, Point


class Runs(Struct, frozen=True):
    """A method's outcomes, one per seed, by seed."""

    method: str
    outcomes: tuple[Outcome, ...]

    def mean(self, value: Callable[[Outcome], float]) -> float:
        """The mean of a value over the seeds."""
        return fmean(map(value, self.outcomes))

    def accuracies(self) -> list[float]:
        """Test accuracy at the end, seed by seed."""
        return [outcome.points[-1].test for outcome in self.outcomes]


def final_runs(outcomes: Iterable[Outcome], methods: Sequence[str]) -> list[Runs]:
    """The final outcomes by method, in the order of `methods`; those without any are left out."""
    found: dict[str, list[Outcome]] = {method: [] for method in methods}
    for outcome in outcomes:
        if outcome.cell.stage == "final":
            found[outcome.cell.setup.method].append(outcome)
    return [
        Runs(method, tuple(sorted(own, key=lambda each: each.cell.setup.seed)))
        for method, own in found.items()
        if own
    ]


def difference(first: Runs, second: Runs) -> Interval:
    """Accuracy of the first less that of the second, paired by seed."""
    pairs = zip(first.accuracies(), second.accuracies(), strict=True)
    return interval([one - other for one, other in pairs])


def per_round(outcome: Outcome, total: Callable[[Point], float]) -> float:
    """A sum over the run, per round."""
    return total(outcome.points[-1]) / outcome.points[-1].round


def note_per_round(outcome: Outcome, name: str) -> float:
    """A note of the rounds, on average."""
    return outcome.notes[name] / outcome.points[-1].round


def waiting_share(outcome: Outcome) -> float:
    """The share of their time in the rounds that devices waited for the slowest."""
    waiting_s = outcome.points[-1].waiting_s
    return waiting_s / (waiting_s + outcome.notes["turn_s"])


def to_target(runs: Runs, target: float, value: Callable[[Point], float]) -> list[float | None]:
    """What was spent when a run's test accuracy first reached the target; None where it did not."""
    points = [reaching(outcome, target) for outcome in runs.outcomes]
    return [None if point is None else value(point) for point in points]


def multiple_to(
    first: Runs, second: Runs, target: float, value: Callable[[Point], float]
) -> Interval | None:
    """What the first spent up to the target, as a multiple of what the second did, seed by seed.

    A geometric mean; None unless all seeds of both reached it after some training.
    """
    pairs = zip(to_target(first, target, value), to_target(second, target, value), strict=True)
    ratios = [one / other for one, other in pairs if one and other]
    return geometric_interval(ratios) if len(ratios) == len(first.outcomes) else None


def judged(value: Interval) -> str:
    """What the interval of a difference says.

    >>> judged(Interval(mean=0.02, low=0.01, high=0.03, n=5))
    'higher'
    >>> judged(Interval(mean=0.02, low=-0.01, high=0.05, n=5))
    'no difference shown'
    """
    if value.low is None or value.high is None:
        return "one seed only"
    if value.low > 0:
        return "higher"
    return "lower" if value.high < 0 else "no difference shown"
