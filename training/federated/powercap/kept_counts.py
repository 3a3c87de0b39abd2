"""Count a study's samples in several processes; what is counted is kept, and found again."""

from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import Any

import msgspec

from traces.workers import run_jobs
from training.federated.compare.kept import Keeper, do_piece, find_kept, result_of
from training.federated.powercap.counting import Counted, counted_rule
from training.federated.study import Job

_SYSTEM = "powercap"


def kept_counts(
    out: Path,
    rules: Sequence[str],
    *,
    seeds: int,
    batches: Sequence[int],
    workers: int,
    on_done: Callable[[float], None] = lambda cpu_s: None,
) -> tuple[Counted, ...]:
    """Every rule's samples, in this order; those that `out` keeps are not counted again."""
    keeper = Keeper(out)
    keeper.sweep()
    call = f"{counted_rule.__module__}:{counted_rule.__name__}"
    pieces = [
        keeper.place(
            _SYSTEM,
            Job(
                name=f"samples by the rule {rule}",
                call=call,
                arguments={"rule": rule, "seeds": seeds, "batches": list(batches)},
            ),
        )
        for rule in rules
    ]
    missing = [piece for piece in pieces if find_kept(piece) is None]
    for _ in range(len(pieces) - len(missing)):
        on_done(0.0)
    run_jobs(do_piece, missing, workers=workers, on_done=on_done)
    return tuple(_counted(result_of(piece)) for piece in pieces)


def _counted(kept: Any) -> Counted:
    """JSON has no infinity: where nothing is said, the goal was not reached."""
    halves = {
        half: {
            batch: [inf if one is None else one for one in counts]
            for batch, counts in kept[half].items()
        }
        for half in ("proxy", "target")
    }
    return msgspec.convert({**kept, **halves}, type=Counted, strict=False)
