"""Make the policies that come with ilgov again, and say whether they are the files that come.

    python -m benchmarks.shipped_policies [ilgov] [topil] [toprl] [--jobs 2]

Per policy the commands that made it are run with their defaults, each in a process of its own, and
what they write is compared with `rm/policies/shipped/`, byte for byte, with the report beside it.
Printed as a Markdown table: the file, whether it is the same, the processor time of its commands in
seconds, that of their workers included. Exit code 1 where a file is another.

It takes the same versions of numpy, torch, onnx and pyarrow: others may round or write otherwise.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from rm.policies.shipped_files import FOLDER

_JOBS = "{jobs}"
_OUT = "{out}"

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "topil": (
        ("trace", "record", "--out", "{out}/traces.parquet", "--jobs", _JOBS),
        (
            *("oracle", "labels", "--traces", "{out}/traces.parquet"),
            *("--out", "{out}/demonstrations.parquet", "--jobs", _JOBS),
        ),
        (
            *("train", "--demonstrations", "{out}/demonstrations.parquet"),
            *("--out", "{out}/topil-hikey970.onnx", "--jobs", _JOBS),
        ),
    ),
    "ilgov": (("train-ilgov", "--out", "{out}/ilgov-hikey970.onnx", "--jobs", _JOBS),),
    "toprl": (("train-toprl", "--out", "{out}/toprl-hikey970.npz", "--jobs", _JOBS),),
}
"""The words behind ``ilgov`` that make each policy, the quickest first."""


def main() -> int:
    """Make them, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("policies", nargs="*", metavar="POLICY", help=", ".join(COMMANDS))
    parser.add_argument("--jobs", type=int, default=2, help="worker processes [%(default)s]")
    args = parser.parse_args()
    for policy in args.policies:
        if policy not in COMMANDS:
            parser.error(f"POLICY must be one of {', '.join(COMMANDS)} (got {policy!r})")
    print("| file | the same bytes | processor time, s |\n|---|---|---|")
    same = True
    for policy in args.policies or COMMANDS:
        with tempfile.TemporaryDirectory(prefix="ilgov-") as folder:
            spent_s = _run(COMMANDS[policy], Path(folder), args.jobs)
            for name, equal in _compared(policy, Path(folder)):
                same = same and equal
                print(f"| {name} | {'yes' if equal else 'NO'} | {spent_s:.0f} |", flush=True)
    return 0 if same else 1


def shipped_of(policy: str) -> list[str]:
    """The names of all files that come of a policy.

    >>> shipped_of("toprl")
    ['toprl-hikey970.npz', 'toprl-hikey970.training.json']
    """
    return sorted(path.name for path in FOLDER.glob(f"{policy}-*"))


def _run(commands: Sequence[Sequence[str]], out: Path, jobs: int) -> float:
    """Run the commands; the processor time that they took, seconds."""
    begun_s = _children_s()
    for words in commands:
        given = [word.replace(_OUT, str(out)).replace(_JOBS, str(jobs)) for word in words]
        done = subprocess.run(
            [sys.executable, "-m", "rm.main", *given], stdout=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise SystemExit(f"ilgov {' '.join(given)} ended with {done.returncode}")
    return _children_s() - begun_s


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _compared(policy: str, made: Path) -> Iterator[tuple[str, bool]]:
    for name in shipped_of(policy):
        file = made / name
        yield name, file.is_file() and file.read_bytes() == (FOLDER / name).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
