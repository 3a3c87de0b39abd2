"""The report's prose: what each figure shows, and what each word in it means (as HTML)."""

from collections.abc import Sequence
from html import escape

from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.summary import CONFIDENCE, Difference

OVERVIEW = f"""
The darker, the worse (misses on a square-root scale). The column <i>all</i> is the mean over the
cooling setups. Rest the pointer on a regret for its {CONFIDENCE:.0%} confidence interval.
"""

GENERALISATION = f"""
Trained policies against the oracle on the same workload: where applications, cooling and arrival
rate are as in training (<i>seen</i>), and where one or several of them are others. In brackets:
{CONFIDENCE:.0%} confidence intervals, paired by seed; where there are several cooling setups, of
their mean per seed. Every row is of episodes of its own.
"""

DECISION_TIME = """
Wall time on the machine that made this page, with whatever else ran there: medians over the
episodes of their medians and 99th percentiles. ×: the same as multiples of the reference. It is the
only part of this page that differs from run to run.
"""

REGRET = f"""
Regret: the policy's time-mean temperature minus the oracle's under the same cooling on the same
workload. Filled: the hottest core's, which the oracle minimises. Open: where the sensor sits. Bars:
{CONFIDENCE:.0%} confidence intervals (Student's t), paired by seed.
"""

TEMPERATURES = """
Simulated temperature per policy and cooling setup, the coolest policy at the top. Filled circles:
time mean where the sensor sits. Open diamonds: the hottest node at its hottest. Markers are means
over seeds, bars one standard deviation, small dots the single seeds. The axes begin where the air
lets them, and are equally wide.
"""

MISSES = """
Applications that missed their QoS target. Pale: all misses. Solid: misses of targets that the
oracle met in the same episode. Bars and numbers are means over seeds, lines one standard deviation,
open dots the single seeds.
"""

TRADEOFF = """
The trade-off between temperature and QoS. Markers are means over seeds with one standard deviation
in both directions, small dots the single seeds. The temperature axes are equally wide. Better is to
the lower left.
"""

RATIOS = f"""
Distribution of the achieved rate over the target, all applications of all seeds. A policy that
gives just what is asked for rises steeply right of 1; what lies left of the dotted line
({MISS_BELOW:g}) are the misses; what lies far to the right was faster than needed.
"""


def timeline(*, cooling: str, seed: int | None) -> str:
    """The caption of one episode's figure."""
    return f"""
One episode, cooling setup <i>{escape(cooling)}</i>, seed {seed}. Top: simulated temperature where
the sensor sits, all policies. Middle: the clock of each cluster under the chosen policy; the
pointer shows the voltage. Bottom: which application each core runs (name and number), the one with
the lowest number where several share it; white is idle. Zoom in for the labels of short stretches.
"""


def definitions(compared: Sequence[Difference]) -> tuple[tuple[str, str], ...]:
    """The words of the page with their meanings."""
    references = dict.fromkeys(item.reference for item in compared)
    return _WORDS + tuple((f"mean − {name}", _difference(name)) for name in references)


def _difference(reference: str) -> str:
    return f"""
How much warmer than {escape(reference)} in the mean, paired by seed, with Student's
{CONFIDENCE:.0%} confidence interval. Negative is cooler. QoS may differ: read it beside the misses.
"""


_TEMPERATURE = """
Simulated throughout. The mean is over time, where the board's sensor sits, without the sensor's
noise and quantisation; the peak is the hottest node of the thermal network ever.
"""

_MISS = f"""
An application whose rate, averaged from its arrival to its end or the episode's, is below
{MISS_BELOW:.0%} of its target. Shares are of all applications of an episode.
"""

_ATTAINABLE = """
The oracle policy met the target in the same episode (same board, cooling, seed). A miss of an
attainable target is the policy's own; others come from more work than the board can do. Not known
where the oracle was not evaluated.
"""

_REGRET = """
The time mean of the hottest core's temperature minus the oracle policy's in the same episode. The
oracle sees the truth and solves for the joint optimum whenever something changes. A policy that
misses targets may be cooler than it.
"""

_JUDGED = """
Once in a while the present mapping is compared with the joint optimum for the applications that run
then, both at steady state and with the least operating points that meet the targets. Within 1 K
counts as right; a mapping that cannot meet what the optimum meets never does. The steady regret is
the mean excess of the mappings that can.
"""

_MISSED_BY = """
By what share of their target those applications that missed it stayed below, over all seeds: the
mean and the worst.
"""

_THROTTLED = """
Share of the time in which the kernel's own thermal protection capped a cluster, whatever the policy
wanted.
"""

_SPREAD = """
One standard deviation over the n seeds (divided by n − 1), not a standard error.
"""

_TIME_COURSES = """
Drawn through at most a few hundred moments of an episode; the results in Parquet hold all of them.
"""

_WORDS = (
    ("temperature", _TEMPERATURE),
    ("QoS miss", _MISS),
    ("attainable", _ATTAINABLE),
    ("missed by", _MISSED_BY),
    ("regret", _REGRET),
    ("within 1 K, steady regret", _JUDGED),
    ("energy per instruction", "What the SoC's CPU took, by what the applications retired."),
    ("finished", "Share of the applications that came to their end within the episode."),
    ("throttled", _THROTTLED),
    ("runaway", "Episodes in which leakage outran the cooling."),
    ("±", _SPREAD),
    ("time courses", _TIME_COURSES),
)
