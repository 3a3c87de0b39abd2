"""``ilgov trace join``: the runs that a machine without a Parquet library recorded, as traces."""

import argparse
from pathlib import Path


def join(parser: argparse.ArgumentParser) -> None:
    """Make traces of the log of a recording that was made where Parquet cannot be written."""
    parser.add_argument("log", type=Path, metavar="LOG", help="the file OUT.runs-....jsonl")
    parser.add_argument("--out", type=Path, required=True, help="the trace file to write (Parquet)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from traces.linux.recording import write_traces
    from traces.output import check_output_file

    check_output_file(args.out)
    rows = write_traces(args.log, args.out)
    print(f"{args.out}: {rows} runs")
    return 0
