"""The comparison with training as one JSON document, for machines."""

from collections.abc import Sequence

import msgspec

from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.summary import CONFIDENCE
from rm.evaluation.training.summary import TrainingDifference, TrainingRow
from rm.evaluation.training.verdicts import Verdict

JSON_SCHEMA = 1


def summary_json(
    rows: Sequence[TrainingRow],
    differences: Sequence[TrainingDifference],
    found: Sequence[Verdict],
    *,
    training: str,
) -> str:
    """The summary as JSON: units in the keys, shares of 0 to 1, simulated temperatures."""
    document = {
        "schema": JSON_SCHEMA,
        "scenario": "training",
        "training": training,
        "temperatures": "simulated",
        "miss_below_share_of_target": MISS_BELOW,
        "confidence": CONFIDENCE,
        "summary": rows,
        "differences": differences,
        "verdicts": found,
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
