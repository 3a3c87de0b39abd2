"""Put a calibration into files: all of them, or none."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from platforms.application_file import parse_suite
from platforms.atomic_file import replacing
from platforms.board_file import parse_board
from platforms.errors import InvalidInput
from platforms.linux.probe.board_text import board_text
from traces.calibration.calibrate import Calibration
from traces.calibration.input_file import InputFile
from traces.calibration.profiles import suite_text


def write_calibration(
    done: Calibration,
    files: Sequence[InputFile],
    *,
    out: Path,
    applications: Path | None = None,
    report: Path | None = None,
    command: str,
) -> None:
    """Write the board file, and where they are asked for the suite and the report.

    Each text is read back and checked before any file appears. Raises InvalidInput for programs
    that make no suite.
    """
    texts = {out: board_text(done.board, head=_head(done, files))}
    parse_board(texts[out], origin=str(out))
    if applications:
        if not done.applications:
            raise InvalidInput("--applications must be left out: no program ran at three clocks")
        texts[applications] = suite_text(done.applications, head=_suite_head(done))
        parse_suite(texts[applications], origin=str(applications))
    if report:
        from traces.calibration.report import report_html

        texts[report] = report_html(done, files, command=command)
    with ExitStack() as stack:
        for path, text in texts.items():
            stack.enter_context(replacing(path)).write_text(text, "utf-8")


def _head(done: Calibration, files: Sequence[InputFile]) -> list[str]:
    lines = [
        f"{done.board.title}: {done.board.soc}, calibrated.",
        "",
        "Made by 'ilgov board calibrate' from",
        *(f"  {text}" for text in dict.fromkeys(t for file in files for t in file.origin)),
        "and a skeleton with what measurements do not tell. Each value says where it is from;",
        "intervals are 95 %.",
    ]
    lines += [f"Note: {note}." for note in done.notes]
    return lines


def _suite_head(done: Calibration) -> list[str]:
    return [
        f"Programs that were measured on {done.board.title}, one instance each.",
        "",
        "Made by 'ilgov board calibrate' beside the board file: `cpi` and `stall_s` are fits of",
        "time against clock, `activity` is the energy per busy cycle relative to the hungriest",
        "program's, stalls taken out.",
        *(["", "Left out:", *(f"  {text}" for text in done.left_out)] if done.left_out else []),
    ]
