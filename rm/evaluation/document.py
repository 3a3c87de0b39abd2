"""The comparison as one JSON document, for machines."""

from collections.abc import Sequence

import msgspec

from rm.evaluation.generalisation import GeneralisationRow
from rm.evaluation.judging import WITHIN_K
from rm.evaluation.outcome import MISS_BELOW
from rm.evaluation.regret import Regret
from rm.evaluation.summary import CONFIDENCE, Difference, SummaryRow
from rm.evaluation.timing import REFERENCE, PolicyTimes

JSON_SCHEMA = 2


def summary_json(
    rows: Sequence[SummaryRow],
    differences: Sequence[Difference] = (),
    regrets: Sequence[Regret] = (),
    *,
    generalisation: Sequence[GeneralisationRow] = (),
    times: Sequence[PolicyTimes] = (),
) -> str:
    """The summary as JSON: units in the keys, shares of 0 to 1, simulated temperatures."""
    document = {
        "schema": JSON_SCHEMA,
        "temperatures": "simulated",
        "miss_below_share_of_target": MISS_BELOW,
        "confidence": CONFIDENCE,
        "within_k": WITHIN_K,
        "summary": rows,
        "differences": differences,
        "regret": regrets,
        "generalisation": generalisation,
        "decision_times": {"reference": REFERENCE, "policies": times},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
