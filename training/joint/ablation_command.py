"""``ilgov ablation``: what each part of the policy ilgov is worth, as a table."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from platforms.errors import InvalidInput
from platforms.options import check_ranges, comma_separated
from training.joint.command import add_options, options_of, task_of

if TYPE_CHECKING:
    from training.joint.ablation import Episodes, Row

_COLUMNS = (
    ("regret_k", "regret, K", 1.0, 3),
    ("within_share", "within 1 K, %", 100.0, 1),
    ("missed_share", "missed, %", 100.0, 2),
    ("migrations", "moves/episode", 1.0, 0),
    ("validation_excess_k", "validation excess, K", 1.0, 3),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Train ilgov without one of its parts at a time, and print what that costs.

    Soft or hard labels, joint decisions or one application at a time, with and without DAgger,
    stall-aware or linear scaling, sizes of the network; each with several training seeds, judged on
    applications and a cooling setup that were not trained on.
    """
    parser.add_argument(
        "--board", default="hikey970", help="shipped board or board file [%(default)s]"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER",
        help="for the policies, ablation.json and ablation.md; what was finished when the command "
        "was stopped is kept there and taken over by the same command",
    )  # fmt: skip
    parser.add_argument("--variants", help="names, comma separated [all]")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds [%(default)s]")
    parser.add_argument(
        "--applications", default="cbench",
        help="suites, names or suite files to learn from, comma separated [%(default)s]",
    )  # fmt: skip
    parser.add_argument("--cooling", default="fan", help="setup to learn under [%(default)s]")
    judged = parser.add_argument_group("episodes that judge")
    judged.add_argument(
        "--test-applications", default="parsec", help="what runs in them [%(default)s]"
    )
    judged.add_argument("--test-cooling", default="passive", help="their setup [%(default)s]")
    judged.add_argument("--episodes", type=int, default=6, help="how many [%(default)s]")
    judged.add_argument(
        "--duration-s", type=float, default=600.0, help="their length [%(default)s]"
    )
    add_options(parser.add_argument_group("training"))
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    import msgspec

    from platforms.atomic_file import replacing
    from traces.output import check_output_folder
    from training.joint.ablation import VARIANTS, ablate
    from training.joint.kept_rows import KeptRows
    from training.joint.progress import shown

    options = options_of(args)
    check_ranges(args, {"seeds": (1, 1000), "episodes": (1, 10**4), "duration_s": (10.0, 1e6)})
    variants = comma_separated(args.variants) if args.variants else tuple(VARIANTS)
    for name in variants:
        if name not in VARIANTS:
            raise InvalidInput(f"--variants must be of {', '.join(VARIANTS)} (got {name!r})")
    task, episodes = task_of(args), _episodes(args)
    check_output_folder(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    kept = KeptRows(args.out, task, options, episodes)
    with shown() as progress:
        rows = ablate(
            task,
            options,
            variants=variants,
            seeds=range(args.seed, args.seed + args.seeds),
            episodes=episodes,
            folder=args.out,
            workers=args.jobs,
            progress=progress,
            find=kept.find,
            on_row=kept.keep,
        )
    plain = msgspec.to_builtins(rows)
    for name, text in (
        ("ablation.json", json.dumps(plain, indent=2) + "\n"),
        ("ablation.md", markdown(rows) + "\n"),
    ):
        with replacing(args.out / name) as temporary:
            temporary.write_text(text, "utf-8")
    kept.forget()
    print(json.dumps(plain) if args.json else markdown(rows))
    return 0


def _episodes(args: argparse.Namespace) -> "Episodes":
    from platforms.application_file import find_applications
    from platforms.board_file import load_board
    from traces.experiment import check_applications
    from training.joint.ablation import Episodes

    board = load_board(args.board)
    known = [setup.name for setup in board.cooling]
    if args.test_cooling not in known:
        raise InvalidInput(
            f"--test-cooling must be one of {', '.join(known)} (got {args.test_cooling!r})"
        )
    profiles = find_applications(comma_separated(args.test_applications) or [""])
    check_applications(board, profiles)
    return Episodes(
        profiles=profiles,
        cooling=args.test_cooling,
        seeds=tuple(range(args.episodes)),
        duration_s=args.duration_s,
    )


def markdown(rows: "Sequence[Row]") -> str:
    """The table over variants: mean ± standard deviation over training seeds."""
    from training.joint.ablation import spread

    heads = ["variant", "weights", *(head for _, head, _, _ in _COLUMNS)]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in dict.fromkeys(row.variant for row in rows):
        group = [row for row in rows if row.variant == name]
        cells = [name, str(group[0].parameters)]
        for column, _, scale, digits in _COLUMNS:
            found = spread(scale * getattr(row, column) for row in group)
            around = "" if found.sd is None else f" ± {found.sd:.{digits}f}"
            cells.append(f"{found.mean:.{digits}f}{around}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
