"""The whole way on boards that nobody calibrated before, by ilgov's commands, and what it is worth.

    python -m benchmarks.unknown_board --boards 0,1,2 --work /var/tmp/unknown-board

For each hidden board (`benchmarks.hidden_board`): probe a machine that shows what a kernel shows of
it, record traces on it, calibrate the probed skeleton from them, train `ilgov` on what came out,
and let it govern the hidden board. Beside it run the oracle, the same training with the true board
and the true programs, and with the skeleton as it was probed and the shipped programs. Regret is
the time mean of the hottest core above the oracle's, K, paired by seed; temperatures are simulated.
Steps whose results are there are not made again.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.hidden_board import COOLINGS, SENSOR, hidden_board, suites
from platforms.linux.probe.board_text import board_text
from platforms.options import comma_separated
from rm.evaluation.comparison import mark_attainable
from rm.evaluation.outcome import EpisodeOutcome
from rm.evaluation.regret import regret_by_seed
from rm.evaluation.results import read_results
from rm.evaluation.summary import Interval, interval, missed_attainable_share
from tests.platforms.linux.described_machine import hide
from tests.platforms.linux.fake_root import FakeRoot
from traces.calibration.profiles import suite_text
from traces.numeric_threads import ONE_NUMERIC_THREAD

ILGOV = Path(sys.executable).with_name("ilgov")
AS_IT_IS = ("--variation", "0", "--diversity", "0", "--held-out-share", "0")
RECORDINGS = {
    "fan": ("--scenarios", "22", "--design", "latin:9"),
    "passive": ("--scenarios", "12", "--design", "latin:3", "--seed", "1"),
}
KNOWN = ("true", "calibrated", "skeleton")
"""What the policies are trained with."""

WITHIN_K = 0.5


class Options(Struct, frozen=True):
    """Sizes of a study."""

    situations: int
    seeds: int
    duration_s: float
    jobs: int


class Row(Struct, frozen=True):
    """One board under one cooling setup (None: the mean over both).

    Regrets by what the policy was trained with, and that of the calibrated one above the true
    one's, K; shares of the applications that missed a target which the oracle met.
    """

    board: int
    cooling: str | None
    regret_k: dict[str, Interval]
    above_true_k: Interval
    missed: dict[str, float]

    @property
    def within(self) -> bool:
        """Whether the mean is."""
        return self.above_true_k.mean <= WITHIN_K


def prepare(folder: Path, seed: int) -> None:
    """The hidden board, its programs, and the machine that a probe sees."""
    folder.mkdir(parents=True, exist_ok=True)
    board, programs = hidden_board(seed)
    (folder / "true.toml").write_text(board_text(board), "utf-8")
    for name, suite in suites(programs).items():
        (folder / f"{name}.toml").write_text(suite_text(suite), "utf-8")
    if not (folder / "root").exists():
        (folder / "root").mkdir()
        root = FakeRoot(folder / "root", "hikey970", zones=[SENSOR])
        hide(root, "sys/kernel/debug/energy_model")


def run(folder: Path, makes: str, *words: object) -> None:
    """A command of ilgov in `folder`, unless what it makes is there."""
    if (folder / makes).exists():
        return
    command = [str(ILGOV), *map(str, words)]
    print("$ ilgov " + shlex.join(command[1:]), flush=True)
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | ONE_NUMERIC_THREAD,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    (folder / f"{makes.replace('/', '-')}.log").write_text(done.stdout + done.stderr, "utf-8")
    if done.returncode:
        raise SystemExit(f"{shlex.join(command)} ended with {done.returncode}: {done.stderr}")


def calibrate(folder: Path) -> None:
    """From a machine and recordings to a board file and its programs."""
    run(
        folder, "skeleton.toml",
        "board", "probe", "--root", "root", "--name", "probed", "--out", "skeleton.toml",
    )  # fmt: skip
    for cooling, sizes in RECORDINGS.items():
        run(
            folder, f"{cooling}.parquet",
            "trace", "record", "--board", "true.toml", "--applications", "cbench.toml",
            "--cooling", cooling, *AS_IT_IS, *sizes, "--jobs", 1, "--out", f"{cooling}.parquet",
        )  # fmt: skip
    run(
        folder, "calibrated.toml",
        "board", "calibrate", *[f"{cooling}.parquet" for cooling in RECORDINGS],
        "--board", "skeleton.toml", "--power", "heat", "--suite", "fitted",
        "--out", "calibrated.toml", "--applications", "fitted.toml",
    )  # fmt: skip


def train(folder: Path, known: str, options: Options) -> None:
    """The same training with what one of `KNOWN` says of the board."""
    programs = {"true": "cbench.toml", "calibrated": "fitted.toml", "skeleton": "cbench"}[known]
    run(
        folder, f"{known}.onnx",
        "train-ilgov", "--board", f"{known}.toml", "--applications", programs,
        "--cooling", "fan", "--situations", options.situations, "--jobs", options.jobs,
        "--out", f"{known}.onnx",
    )  # fmt: skip


def evaluate(folder: Path, known: str, options: Options) -> tuple[EpisodeOutcome, ...]:
    """The policy on the hidden board; the true one beside the oracle."""
    policies = "oracle,ilgov" if known == "true" else "ilgov"
    plant = () if known == "true" else ("--plant", "true.toml")
    name = f"{known}-{options.seeds}x{options.duration_s:g}s"
    run(
        folder, f"{name}/episodes.parquet",
        "evaluate", "--board", f"{known}.toml", *plant, "--applications", "parsec.toml",
        "--policies", policies, "--policy-file", f"ilgov={known}.onnx",
        "--cooling", ",".join(COOLINGS), "--seeds", options.seeds, "--seed-start", 100,
        "--duration-s", options.duration_s, "--judge-s", 0, "--jobs", options.jobs, "--out", name,
    )  # fmt: skip
    return read_results(folder / name)


def rows_of(seed: int, found: dict[str, tuple[EpisodeOutcome, ...]]) -> list[Row]:
    """A row per cooling setup, then one over all."""
    oracle = [o for o in found["true"] if o.policy == "oracle"]
    rows = []
    for cooling in (*COOLINGS, None):
        setups = [cooling] if cooling else list(COOLINGS)
        by_seed = {
            known: regret_by_seed([*oracle, *_ilgov(outcomes)], "ilgov", setups)
            for known, outcomes in found.items()
        }
        above = [by_seed["calibrated"][s] - by_seed["true"][s] for s in by_seed["true"]]
        rows.append(
            Row(
                seed,
                cooling,
                {known: interval(list(regret.values())) for known, regret in by_seed.items()},
                interval(above),
                {known: _missed(outcomes, oracle, setups) for known, outcomes in found.items()},
            )
        )
    return rows


def _ilgov(outcomes: Sequence[EpisodeOutcome]) -> list[EpisodeOutcome]:
    return [o for o in outcomes if o.policy == "ilgov"]


def _missed(
    outcomes: Sequence[EpisodeOutcome], oracle: Sequence[EpisodeOutcome], setups: Sequence[str]
) -> float:
    """The share of applications whose target the oracle met and the policy did not."""
    both = mark_attainable([*_ilgov(outcomes), *oracle])
    shares = [missed_attainable_share(o) for o in _ilgov(both) if o.cooling in setups]
    return sum(share or 0.0 for share in shares) / len(shares)


def table(rows: Sequence[Row]) -> str:
    """All rows as a table in Markdown."""
    heads = ["board", "cooling", *(f"regret, {known}" for known in KNOWN)]
    heads += ["calibrated − true, K", "missed " + " / ".join(KNOWN), f"within {WITHIN_K} K"]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [str(row.board), row.cooling or "both"]
        cells += [_text(row.regret_k[known]) for known in KNOWN]
        cells.append(_text(row.above_true_k))
        cells.append(" / ".join(f"{100 * row.missed[known]:.1f} %" for known in KNOWN))
        cells.append("yes" if row.within else "no")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _text(found: Interval) -> str:
    if found.low is None or found.high is None:
        return f"{found.mean:+.2f}"
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"


def _over_all(rows: Sequence[Row]) -> str:
    """The mean over boards and cooling setups, with the interval over the boards."""
    both = [row.above_true_k.mean for row in rows if row.cooling is None]
    worst = max(row.above_true_k.mean for row in rows if row.cooling is not None)
    return (
        f"calibrated − true over {len(both)} boards: {_text(interval(both))} K; "
        f"the worst board and cooling setup: {worst:+.2f} K"
    )


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of everything made")
    parser.add_argument("--boards", default="0,1,2", help="seeds of hidden boards [%(default)s]")
    parser.add_argument("--situations", type=int, default=1000, help="of a training [%(default)s]")
    parser.add_argument("--seeds", type=int, default=5, help="workloads [%(default)s]")
    parser.add_argument("--duration-s", type=float, default=600.0, help="of one [%(default)s]")
    parser.add_argument("--jobs", type=int, default=1, help="processes [%(default)s]")
    args = parser.parse_args()
    options = Options(args.situations, args.seeds, args.duration_s, args.jobs)
    rows: list[Row] = []
    for seed in map(int, comma_separated(args.boards)):
        folder = args.work / f"board-{seed}"
        prepare(folder, seed)
        calibrate(folder)
        found = {}
        for known in KNOWN:
            train(folder, known, options)
            found[known] = evaluate(folder, known, options)
        rows += rows_of(seed, found)
        print(table(rows[-3:]), flush=True)
    print("\n" + table(rows) + "\n\n" + _over_all(rows))
    found = json.dumps([msgspec.to_builtins(row) for row in rows], indent=2)
    (args.work / "rows.json").write_text(found + "\n", "utf-8")


if __name__ == "__main__":
    main()
