"""``ilgov federated pretrain``."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated

if TYPE_CHECKING:
    from training.federated.models.family import Member

_RANGES: dict[str, tuple[float, float]] = {"steps": (1, 10**6), "seed": (0, 2**32 - 1)}


def pretrain(parser: argparse.ArgumentParser) -> None:
    """Pre-train the tiny models that devices then train further.

    tiny-N (N layers) learns from English text which every Python carries, or from files of yours;
    source-N learns the synthetic language of the tasks tokens and labels. Commands that need a
    model which is not there make it too; this one makes it again, with other text or steps.
    """
    parser.add_argument(
        "--names", metavar="NAME,...",
        help="models to make (default: of tiny-2, -4, -6 and source-2, -4, -6 those that are "
        "missing; with --text the first three)",
    )  # fmt: skip
    parser.add_argument(
        "--models", default="", metavar="DIR",
        help="folder that they go into (default $ILGOV_MODELS, else ~/.cache/ilgov/models)",
    )  # fmt: skip
    parser.add_argument(
        "--text", type=Path, nargs="+", metavar="FILE",
        help="text in UTF-8 that tiny-N learns from (default: pydoc_data.topics)",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, metavar="N", help="steps of training per model")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="SEED", help="draws everything [%(default)s]"
    )
    parser.add_argument("--json", action="store_true", help="print what was made as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from training.federated.models import text
    from training.federated.models.progress import shown
    from training.federated.models.store import keep, pretrained, store

    check_ranges(args, _RANGES)
    learnt = text.files(args.text) if args.text else None
    where = store(args.models)
    made: dict[str, Any] = {}
    with shown() as told:
        for found in _wanted(args.names, where, only_tiny=learnt is not None):
            result = pretrained(
                found, told=told, text=learnt, seed=args.seed, steps=args.steps or 0
            )
            keep(where / found.name, result)
            made[found.name] = {"folder": str(where / found.name), **result.quality}
            if not args.json:
                print(_line(found.name, made[found.name]))
    if args.json:
        print(json.dumps(made, indent=1))
    elif not made:
        print(f"all models are in {where}; --names makes one again")
    return 0


def _wanted(names: str | None, where: Path, *, only_tiny: bool) -> list["Member"]:
    from training.federated.models.family import FAMILIES, LAYERS, Member, member
    from training.federated.models.files import CONFIG

    if names is None:
        families = FAMILIES[:1] if only_tiny else FAMILIES
        everyone = [Member(family, layers, False) for family in families for layers in LAYERS]
        return [one for one in everyone if only_tiny or not (where / one.name / CONFIG).exists()]
    found = {name: member(name) for name in comma_separated(names)}
    for name, one in found.items():
        if one is None or one.random or (only_tiny and one.family != "tiny"):
            kinds = "tiny-N" if only_tiny else "tiny-N or source-N"
            raise InvalidInput(f"--names must be of the kind {kinds} (got {name})")
    return [one for one in found.values() if one is not None]


def _line(name: str, made: Mapping[str, Any]) -> str:
    quality = ", ".join(
        f"{key.replace('_', ' ')} {value:.3f}" for key, value in made.items() if key != "folder"
    )
    return f"{name}: {quality} on what it has not seen; {made['folder']}"
