"""``ilgov npu check``: which back ends run a policy here, and whether they do it right."""

import argparse
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from npu_runtime.policy_file import PolicyFile, read_policy_file
from platforms.errors import InvalidInput
from rm.npu.policy_option import add_policy_arguments, chosen_policy
from rm.npu.text_table import table

if TYPE_CHECKING:
    from rm.npu.checked import Checked
    from rm.npu.choices import Choices
    from rm.npu.held_out import HeldOut
    from rm.npu.rows import Asked

_MANUAL = """
Errors are shares of the range of the right scores, which plain float32 gives. A back end is wrong
where the policy's own known rows are off by more than 0.0001 (float32), 0.005 (float16) or 0.05
(int8), where all rows are on average, or where it hangs, crashes or breaks its contract.

"changed" are the governor's decisions that come out otherwise in episodes on the simulated board,
of applications that no training saw, and "costs" is what the worst of them costs in kelvins, by the
right scores. What is isolated beside a policy in float32 decides as in the daemon: float32 has the
last word on near ties. Where no episode can be lived they are choices among the rows instead (the
coolest of 16 mappings, or the best core of a row), in the scores' unit.

exit codes:
  0    all that are present are right
  1    one that is present is wrong, or one that was named is absent
  2    a mistake in the command line or in a file"""


_EPISODES, _MOST_EPISODES = 1, 1000


def configure(parser: argparse.ArgumentParser) -> None:
    """Say which back ends run a policy here, and whether their scores are right."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _MANUAL
    add_policy_arguments(parser)
    parser.add_argument(
        "--rows",
        type=Path,
        metavar="FILE",
        help="feature rows to score, .npy or .csv, a column per feature [the policy's known rows, "
        "and 4000 drawn from the features' whole ranges]",
    )
    parser.add_argument(
        "--episodes",
        type=int,
        default=_EPISODES,
        metavar="N",
        help="simulated episodes of 5 minutes whose decisions are compared [%(default)s]",
    )
    parser.add_argument(
        "--contract",
        action="store_true",
        help="check also everything else that a back end promises (npu_runtime.contract)",
    )
    parser.add_argument("--json", action="store_true", help="what was found as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    import msgspec

    from rm.npu.checked import check, names_of_all
    from rm.npu.rows import asked

    if not 0 <= args.episodes <= _MOST_EPISODES:
        raise InvalidInput(f"--episodes must lie in 0 ... {_MOST_EPISODES} (got {args.episodes})")

    logging.getLogger("npu_runtime").setLevel(logging.CRITICAL)  # reasons are in the table
    file = read_policy_file(chosen_policy(args))
    names = args.backend or names_of_all(file)
    rows = asked(file, args.rows)
    extent = {"episodes": args.episodes, "contract": args.contract}
    found = [check(file, name, rows, **extent) for name in names]
    if args.json:
        document = {"policy": str(file.path), "rows": rows.origin}
        print(json.dumps(document | {"back_ends": msgspec.to_builtins(found)}, indent=2))
    else:
        print("\n".join(_lines(file, rows, found)))
    bad = ("wrong", "absent") if args.backend else ("wrong",)
    return 1 if any(one.verdict in bad for one in found) else 0


def _lines(file: PolicyFile, rows: "Asked", found: Sequence["Checked"]) -> Iterator[str]:
    yield f"policy  {file.path}, {file.metadata.precision or 'float32'}"
    yield f"rows    {rows.origin}"
    yield ""
    header = ("back end", "verdict", "max error", "mean error", "changed", "costs", "device")
    cells = [_cells(one) for one in found if one.verdict != "absent"]
    yield from table([header, *cells], left=(0, 1, 6))
    yield ""
    for one in found:
        if one.reason:
            yield f"{one.verdict}  {one.name}: {one.reason}"
        for violation in one.violations or ():
            yield f"       - {violation}"
        if one.violations == ():
            yield f"kept   {one.name}: every promise of the contract"


def _cells(one: "Checked") -> tuple[str, ...]:
    if one.parity is None or one.choices is None:
        return (one.name, one.verdict, "-", "-", "-", "-", one.device)
    errors = f"{one.parity.largest_share:.1e}", f"{one.parity.mean_share:.1e}"
    return (one.name, one.verdict, *errors, *_changes(one.choices, one.decisions), one.device)


def _changes(choices: "Choices", decisions: "HeldOut | None") -> tuple[str, str]:
    """How many decisions are others, and what the worst of them costs."""
    if decisions is None:
        return f"{choices.changed:.2%} of {choices.made} choices", f"{choices.worst_regret:.2g}"
    worst_k = decisions.worst_dearer_k
    costs = f"{max(worst_k, 0.0):.3f} K" if worst_k is not None else "-"
    return f"{decisions.changed} of {decisions.decisions}", costs
