"""The prose of the report with training: what its figures show, what its words mean (as HTML)."""

from html import escape

from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.summary import CONFIDENCE
from rm.evaluation.training.outcome import EARLY

OVERVIEW = """
The darker, the worse. Rest the pointer on a number for its seeds, and on a difference for its
confidence interval.
"""

VERDICTS = """
The project's own requirements of <i>ilgov</i>, on the means over seeds. What is not there could not
be judged for want of a policy.
"""

TEMPERATURES = """
Simulated temperature per policy and cooling setup, the coolest policy at the top. Filled circles:
time mean where the sensor sits. Open diamonds: the hottest node at its hottest. Markers are means
over seeds, bars one standard deviation, small dots the single seeds. Dotted: the limit that the
policies were given for the hottest core.
"""

MISSES = """
Pale: rounds whose samples were not done by their deadline. Solid: foreground applications that
missed their QoS target. Bars and numbers are means over seeds, lines one standard deviation, open
dots the single seeds. <i>none</i> does not train, and misses every round.
"""

TRADEOFF = """
The trade-off between temperature and rounds. Markers are means over seeds with one standard
deviation in both directions. The temperature axes are equally wide. Better is to the lower left.
"""

ROUND_TIMES = """
Which share of all rounds of all seeds was done in which share of its time. A policy that gives just
what is asked for rises late, one that races early; what is missing to 100 % was missed.
"""


def timeline(*, cooling: str, seed: int | None) -> str:
    """The caption of one episode's figure."""
    return f"""
One episode, cooling setup <i>{escape(cooling)}</i>, seed {seed}. Top: simulated temperature where
the sensor sits, all policies; dotted the limit. Middle: the clock of each cluster under the chosen
policy. Bottom: which application each core runs (colours), and where training runs (narrow dark
bars); below the cores the rounds: pale the time that each had, green what it took, orange where it
was missed.
"""


_TEMPERATURE = """
Simulated throughout. The mean is over time, where the board's sensor sits, without the sensor's
noise and quantisation; the peak is the hottest node of the thermal network ever.
"""

_LIMIT = """
Of the hottest core. Over limit: in how many of the episodes it was passed, and by how much in the
worst of them; a policy sees a sensor that is noisy, quantised and old.
"""

_MISS = f"""
An application whose rate, averaged from its arrival to its end or the episode's, is below
{MISS_BELOW:.0%} of its target.
"""

_ROUND = """
So many reference samples from a start to a deadline, both the same for all policies. What a missed
round did is thrown away.
"""

_REFERENCE_SAMPLE = """
A sample of the job's first setting. One of another setting counts as much less as the goal takes
more of them with it, by the job's curve.
"""

_TOLD = f"""
How many of the missed rounds the training heard to be impossible in the first {EARLY:.0%} of their
time, so that a server could plan anew; and how many it heard so of that were met.
"""

_TO_TARGET = """
How many samples, and how long, the goal takes with the mix of settings and at the pace of the
episode; what missed rounds did is not counted.
"""

WORDS = (
    ("temperature", _TEMPERATURE),
    ("limit", _LIMIT),
    ("QoS miss", _MISS),
    ("round", _ROUND),
    ("attainable", "A round that the exhaustive policy met in the same episode."),
    ("reference sample", _REFERENCE_SAMPLE),
    ("told early", _TOLD),
    ("samples, time to target", _TO_TARGET),
    ("energy", "What the SoC took, for foreground and training together."),
    ("differences", f"Paired by seed, with Student's {CONFIDENCE:.0%} confidence interval."),
    ("±", "One standard deviation over the n seeds (divided by n − 1), not a standard error."),
)
"""The words of the page with their meanings."""
