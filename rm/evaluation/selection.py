"""What a command line asks to compare: policies, their files, cooling setups; all of them, too."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from platforms.board import Board
from platforms.errors import InvalidInput
from platforms.options import comma_separated
from rm.policies.registry import policy_names

ALL = "all"

DEFAULT_COOLINGS = ("fan", "passive")


class PolicyFiles(Struct, frozen=True):
    """The files of policies that need one: of those named, and of the others.

    Each policy knows what is none of its own, and takes what comes with ilgov then.
    """

    of_policy: dict[str, Path] = {}
    of_others: Path | None = None

    @classmethod
    def given(cls, texts: Sequence[str]) -> "PolicyFiles":
        """From ``PATH`` or ``POLICY=PATH``, each policy once at most."""
        of_policy: dict[str, Path] = {}
        of_others: list[Path] = []
        for text in texts:
            name, is_named, path = text.partition("=")
            if is_named and name in policy_names():
                if name in of_policy:
                    raise InvalidInput(f"--policy-file must be given once for {name} (got {text})")
                of_policy[name] = Path(path)
            else:
                of_others.append(Path(text))
        if len(of_others) > 1:
            raise InvalidInput(
                "--policy-file must name the policy, as in topil=PATH, from the second file on "
                f"(got {', '.join(map(str, of_others))})"
            )
        return cls(of_policy, of_others[0] if of_others else None)

    def of(self, policy: str) -> Path | None:
        """The file of a policy, or None where it has to do with what comes with ilgov."""
        return self.of_policy.get(policy, self.of_others)


class Chosen(Struct, frozen=True):
    """The policies to compare, and why others of all that are installed are left out."""

    policies: tuple[str, ...]
    left_out: dict[str, str]


def chosen_policies(text: str, board: Board, files: PolicyFiles) -> Chosen:
    """The policies of a comma separated list; with ``all`` in it every one that can be had."""
    names = comma_separated(text) or [""]
    if ALL not in names:
        return Chosen(tuple(names), {})
    from rm.evaluation.comparison import why_not

    reasons = {name: why_not(name, board, files.of(name)) for name in policy_names()}
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    asked = [name for name in names if name != ALL]
    return Chosen(
        tuple(dict.fromkeys([*asked, *(n for n in reasons if n not in left_out)])), left_out
    )


def chosen_coolings(texts: Sequence[str] | None, board: Board) -> tuple[str, ...]:
    """The cooling setups of comma separated lists, ``all`` standing for every one of the board."""
    known = [setup.name for setup in board.cooling]
    if not texts:
        return tuple(name for name in DEFAULT_COOLINGS if name in known) or tuple(known[:1])
    names = [name for text in texts for name in comma_separated(text) or [""]]
    for name in names:
        if name not in {*known, ALL}:
            raise InvalidInput(f"--cooling must be one of {', '.join(known)}, {ALL} (got {name!r})")
    return tuple(known) if ALL in names else tuple(dict.fromkeys(names))
