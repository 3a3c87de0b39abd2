"""Everything that a report of training policies draws, worked out once."""

from collections.abc import Mapping, Sequence

import numpy as np

from rm.evaluation.figure_style import PolicyStyle, policy_styles
from rm.evaluation.summary import grouped
from rm.evaluation.training.outcome import TrainingOutcome
from rm.evaluation.training.summary import TrainingRow, all_differences, summarise

_STYLES = {
    "exhaustive": PolicyStyle("#000000", "star", "dot"),
    "ilgov": PolicyStyle("#D55E00", "circle", "solid"),
    "none": PolicyStyle("#777777", "pentagon", "dash"),
    "nice": PolicyStyle("#0072B2", "square", "solid"),
    "nice-tuned": PolicyStyle("#56B4E9", "square-open", "dash"),
    "pinned-little": PolicyStyle("#009E73", "triangle-down", "solid"),
    "pinned-little-tuned": PolicyStyle("#117733", "triangle-down-open", "dash"),
    "pinned-big": PolicyStyle("#882255", "triangle-up", "solid"),
    "frequency-cap": PolicyStyle("#E69F00", "diamond", "dashdot"),
    "swan": PolicyStyle("#CC79A7", "cross", "dash"),
}


class TrainingComparison:
    """Summary, differences, order and style of policies."""

    def __init__(self, outcomes: Sequence[TrainingOutcome]):
        self.outcomes = tuple(outcomes)
        self.rows = summarise(outcomes)
        self.groups = grouped(outcomes)
        self.differences = all_differences(outcomes)
        self.coolings = tuple(dict.fromkeys(outcome.cooling for outcome in outcomes))
        self.policies = _coolest_first(self.rows)
        others = policy_styles([name for name in self.policies if name not in _STYLES])
        known = {name: _STYLES[name] for name in self.policies if name in _STYLES}
        self.styles: Mapping[str, PolicyStyle] = known | others
        self.limits_c = {row.cooling: row.limit_c for row in self.rows}

    def line(self, row: TrainingRow) -> int:
        """The number of a row's policy from the top, where figures have a line per policy."""
        return self.policies.index(row.policy)

    def introduces(self, row: TrainingRow) -> bool:
        """Whether `row` is the first of its policy, the one that puts it into a legend."""
        return row is next(other for other in self.rows if other.policy == row.policy)


def _coolest_first(rows: Sequence[TrainingRow]) -> tuple[str, ...]:
    temps_c: dict[str, list[float]] = {}
    for row in rows:
        temps_c.setdefault(row.policy, []).append(row.mean_temp_c.mean)
    return tuple(sorted(temps_c, key=lambda policy: (np.mean(temps_c[policy]), policy)))
