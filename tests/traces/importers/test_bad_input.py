"""Tests of bad input: each is refused with file, line and column, and nothing is written."""

import gzip
import re
from collections.abc import Callable

import pytest

from platforms.board_file import load_board
from platforms.errors import InvalidInput
from tests.traces.importers.samples import (
    BEGIN_NS,
    PTRACE,
    SAMPLES,
    TTRACE_K,
    Files,
    armpm,
    armpm_run,
    freqbench,
    freqbench_row,
    perf,
    powmon,
    powmon_row,
    sbc,
    sbc_row,
    sensors,
)
from traces.importers.machine import board_layout, parse_clusters

Text = Callable[[], str]


def _changed(text: str, line: int, old: str, new: str) -> str:
    """The text with something else in a line, from 1."""
    lines = text.splitlines(keepends=True)
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    return "".join(lines)


def _swapped(text: str, line: int) -> str:
    """The text with a line behind the next one."""
    lines = text.splitlines(keepends=True)
    lines[line - 1], lines[line] = lines[line], lines[line - 1]
    return "".join(lines)


def _twice(text: str, line: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines[:line], *lines[line - 1 :]])


def _armpm(index: int, **changes: str) -> str:
    run = armpm_run("lu", 1, 1000)
    run[index] |= changes
    return armpm(run)


UNITS = [
    (
        lambda: powmon(powmon_row(), powmon_row(**{"Frequency A15": "1800000"})),
        (
            "line 3, column 'Frequency A15': must lie in 10 ... 6000 MHz (got 1800000; that looks "
            "like kHz)"
        ),
    ),
    (
        lambda: powmon(powmon_row(**{"Temperature C5": "45500"})),
        (
            "line 2, column 'Temperature C5': must lie in -40 ... 150 °C (got 45500; that looks "
            "like milli-degrees)"
        ),
    ),
    (
        lambda: powmon(powmon_row(**{"Power A15": "1500"})),
        "line 2, column 'Power A15': must lie in -1 ... 50 W (got 1500; that looks like mW)",
    ),
    (
        lambda: powmon(powmon_row(**{"Voltage A15": "950"})),
        "line 2, column 'Voltage A15': must lie in 0.3 ... 2 V (got 950; that looks like mV)",
    ),
    (
        lambda: powmon(powmon_row(**{"Core 5 Utilisation": "1.0"})),
        (
            "line 2, column 'Core 5 Utilisation': must agree with the core's cycles over its "
            "frequency, 100 %, within a factor of 5 (got 1 %); is one of them in another unit?"
        ),
    ),
    (
        lambda: powmon(powmon_row(**{"Core 5 CycleCount": "-5"})),
        "line 2, column 'Core 5 CycleCount': must lie in 0 ... 1e+18 (got -5)",
    ),
    (
        lambda: _armpm(2, **{"A15 Power(W)": "6.00"}),
        (
            "line 4, column 'A15 Power(W)': must be voltage times current, 0.55 W, within a factor "
            "of 1.4 (got 6); is one of them in another unit?"
        ),
    ),
    (
        lambda: _armpm(1, **{"#Timestamp": str(BEGIN_NS // 1000)}),
        (
            "line 3, column '#Timestamp': must lie in 9.4e+17 ... 2.5e+18 ns since 1970 (got "
            "1.495831097e+15; that looks like µs)"
        ),
    ),
    (
        lambda: freqbench(freqbench_row(1, 600)),
        (
            "line 2, column 'Frequency (kHz)': must lie in 10000 ... 6e+06 kHz (got 600; that "
            "looks like MHz)"
        ),
    ),
    (
        lambda: freqbench(freqbench_row(1, 600_000, **{"Power (mW)": "0.15"})),
        (
            "line 2, column 'Energy (J)': must be 0.01923 within 2%: W, power (mW) / 1000, times "
            "seconds (got 19.2308); is one of them in another unit?"
        ),
    ),
    (
        lambda: sbc(sbc_row("a", 0), sbc_row("a", 9, temp_c="36300")),
        (
            "line 3, column 'temp_c': must lie in -40 ... 150 °C (got 36300; that looks like "
            "milli-degrees)"
        ),
    ),
    (
        lambda: _changed(sensors(), 3, "1800", "1800000"),
        (
            "line 3, column 'CPU(4) Frequency(MHz)': must lie in 10 ... 6000 MHz (got 1800000; "
            "that looks like kHz)"
        ),
    ),
]
SHAPES = [
    (
        lambda: _changed(powmon(), 3, "\t1.08", "\tx"),
        "line 3, column 'Voltage A7': must be a number (got 'x')",
    ),
    (
        lambda: _changed(powmon(), 3, "\t1.08", ""),
        f"line 3: must have {len(powmon_row())} columns (got {len(powmon_row()) - 1})",
    ),
    (
        lambda: _changed(powmon(), 3, "\t1.08", "\t"),
        "line 3, column 'Voltage A7': must lie in 0.3 ... 2 V (got nothing)",
    ),
    (
        lambda: _changed(powmon(), 2, "4,5,6,7:4,5,6,7", "all"),
        "line 2, column 'Core Mask': must be like 4,5,6,7:4,5,6,7 (got 'all')",
    ),
    (
        lambda: _changed(powmon(), 1, "Power A15", "Power A15 mW"),
        "line 1, column 'Power A15': must be there, under this name (got 'Power A15 mW')",
    ),
    (
        lambda: _changed(armpm(), 1, "A15 Power(W)", "A15 Power(mW)"),
        "line 1, column 'X Power(W)': must be there once (got 0 of this kind)",
    ),
    (
        lambda: _changed(freqbench(), 1, "Power (mW)", "Power (W)"),
        "line 1, column 'Power (mW)': must be there, under this name (got 'Power (W)')",
    ),
    (
        lambda: _changed(armpm(), 3, "dedup", "d\t"),
        "line 3: must have 12 columns (got 13)",
    ),
    (
        lambda: _changed(perf(), 4, "1000000000", "many"),
        "line 4, column 'value': must be a number (got 'many')",
    ),
    (
        lambda: _changed(perf(), 4, "1000000000", "-1"),
        "line 4, column 'value': must not be negative (got -1)",
    ),
]
ORDER = [
    (
        lambda: _swapped(armpm(), 3),
        "line 4, column '#Timestamp': must rise within a run (got ",
    ),
    (
        lambda: _swapped(sensors(), 2),
        "line 3, column '#Timestamp': must rise (got ",
    ),
    (
        lambda: sbc(sbc_row("a", 10), sbc_row("a", 5)),
        "line 3, column 't_s': must not fall within a run (got 5 after 10)",
    ),
    (
        lambda: perf() + perf(),
        "line 14, column 'time': must not fall (got 0.5 s after 1.5 s); is it one run a file?",
    ),
]
DUPLICATES = [
    (lambda: _twice(powmon(), 3), "line 4: must not be there twice (line 3 of "),
    (lambda: _twice(armpm(), 3), "line 4, column '#Timestamp': must rise within a run (got "),
    (
        lambda: armpm(
            armpm_run("lu", 1, 1000), armpm_run("fft", 1, 1000), armpm_run("lu", 1, 1000)
        ),
        "line 10, column 'Benchmark': must not begin a run again (line 2 of ",
    ),
    (lambda: _twice(sensors(), 3), "line 4, column '#Timestamp': must rise (got "),
    (
        lambda: _twice(freqbench(), 3),
        (
            "line 4, column 'Frequency (kHz)': must be there once for a CPU (got 1.2e+06 again, "
            "after line 3)"
        ),
    ),
    (
        lambda: _twice(perf(), 6),
        "line 7, column 'event': must come once in an interval (got 'cycles' again at 1 s)",
    ),
    (
        lambda: sbc(sbc_row("a", 0), sbc_row("b", 0), sbc_row("a", 0)),
        "line 4, column 'file': must not begin a run again (",
    ),
]


@pytest.mark.parametrize(("text", "problem"), UNITS + SHAPES + ORDER + DUPLICATES)
def test_a_bad_file_is_refused_with_line_and_column(files: Files, text: Text, problem: str) -> None:
    """Units, shapes, order and duplicates."""
    path = files.write("bad.txt", text())
    with pytest.raises(InvalidInput, match=re.escape(problem)) as error:
        files.imported(path)
    assert str(error.value).startswith(f"{path}: line ")
    assert files.is_untouched


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_gzip_file_that_is_cut_is_refused(files: Files, name: str) -> None:
    """Downloads break off."""
    packed = gzip.compress(SAMPLES[name]().encode())
    path = files.write("a.gz", packed[:-9])
    with pytest.raises(InvalidInput, match="must be a whole gzip file"):
        files.imported(path, name=name)
    assert files.is_untouched


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_half_a_line_at_the_end_is_refused(files: Files, name: str) -> None:
    """Also where what is left of it could be read."""
    text = SAMPLES[name]()[:-2]
    lines = text.count("\n") + 1
    path = files.write("a.txt", text)
    with pytest.raises(InvalidInput, match=rf"line {lines}: must end with a line break"):
        files.imported(path)
    assert files.is_untouched


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_file_without_its_header_is_refused(files: Files, name: str) -> None:
    """Columns that have no names cannot be told apart; perf's have none and are known."""
    if name == "perf-stat":
        return
    path = files.write("a.txt", SAMPLES[name]().partition("\n")[2])
    with pytest.raises(InvalidInput, match="line 1: must be of a format that ilgov knows"):
        files.imported(path)
    with pytest.raises(InvalidInput, match="line 1"):
        files.imported(path, name=name)
    assert files.is_untouched


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_an_empty_file_is_refused(files: Files, name: str) -> None:
    """It would be a file of nothing."""
    with pytest.raises(InvalidInput, match="it is empty"):
        files.imported(files.write("a.txt", ""), name=name)
    assert files.is_untouched


def test_frequencies_of_another_board_are_refused(files: Files) -> None:
    """1000 MHz is no operating point of HiKey 970's little cluster."""
    board = load_board("hikey970")
    path = files.write("p.tsv", powmon())
    problem = (
        "line 2, column 'Frequency A7': must be a frequency of hikey970's cluster little, 509, "
        "1018, 1210, 1402, 1556, 1690, 1844 MHz (got 1000 MHz); is it the right --board?"
    )
    with pytest.raises(InvalidInput, match=re.escape(problem)):
        files.imported(path, board=board, layout=board_layout(board))
    assert files.is_untouched


def test_another_number_of_clusters_is_refused(files: Files) -> None:
    """RK3588 has three."""
    path = files.write("p.tsv", powmon())
    with pytest.raises(InvalidInput, match="must be from a machine with 3 clusters"):
        files.imported(path, layout=parse_clusters("a=0-3,b=4-5,c=6-7"))


def test_a_core_that_the_board_does_not_have_is_refused(files: Files) -> None:
    """Freqbench tested CPU 4 there."""
    path = files.write("f.csv", freqbench())
    with pytest.raises(InvalidInput, match=r"column 'CPU': must be a core of a, b \(got 4\)"):
        files.imported(path, layout=parse_clusters("a=0-1,b=2-3"))


def test_several_boards_in_a_heating_table_must_be_picked_from(files: Files) -> None:
    """A file of measurements is one machine's."""
    path = files.write("h.csv", sbc(sbc_row("a", 0), sbc_row("b", 0, board="XU4")))
    problem = r"pick its runs with --runs, out of: a \(Khadas VIM3\); b \(XU4\)"
    with pytest.raises(InvalidInput, match=problem):
        files.imported(path)
    assert 1 == files.imported(path, runs=("b",)).rows


def test_hotspot_files_that_do_not_belong_together_are_refused(files: Files) -> None:
    """Other blocks, other lengths, no step."""
    power = files.write("a.ptrace", PTRACE)
    longer = files.write("b.ttrace", TTRACE_K + "320\t320\t320\n")
    with pytest.raises(InvalidInput, match=r"b.ttrace: line 4: must not be there \(.*2 rows only"):
        files.imported(power, longer, step_s=0.01)
    other = files.write("c.ttrace", TTRACE_K.replace("FPQ", "IntQ"))
    with pytest.raises(InvalidInput, match="line 1: must have the blocks of"):
        files.imported(power, other, step_s=0.01)
    with pytest.raises(InvalidInput, match="--step-s must say"):
        files.imported(power)
    hot = files.write("d.ptrace", PTRACE.replace("8.27", "8270"))
    with pytest.raises(InvalidInput, match=r"line 2, column 'Icache': .* that looks like mW"):
        files.imported(hot, step_s=0.01)
    assert files.is_untouched


def test_threads_of_perf_are_refused(files: Files) -> None:
    """--per-thread names a program where a CPU would be."""
    path = files.write("r.csv", "     0.500000000,bash-71,1000,,cycles,5,100.00,,\n")
    with pytest.raises(InvalidInput, match="threads are not read"):
        files.imported(path, name="perf-stat")


def test_what_stood_there_is_kept_when_an_import_fails(files: Files) -> None:
    """Nothing is written, not even over an old file."""
    good = files.write("p.tsv", powmon())
    files.imported(good)
    before = files.out.read_bytes()
    with pytest.raises(InvalidInput):
        files.imported(files.write("bad.tsv", powmon(powmon_row(**{"Power A15": "x"}))))
    assert before == files.out.read_bytes()
    assert [files.out] == list(files.out.parent.iterdir())


def test_the_line_where_a_gzip_stream_breaks_off_is_named(files: Files) -> None:
    """Users see how much of a download they have."""
    text = powmon(*(powmon_row(**{"Workload Duration": f"30.{i}"}) for i in range(2000)))
    packed = gzip.compress(text.encode())
    path = files.write("a.gz", packed[: len(packed) // 2])
    with pytest.raises(InvalidInput) as error:
        files.imported(path)
    found = re.search(r"a\.gz: line (\d+): must be a whole gzip file", str(error.value))
    assert found
    assert 500 < int(found[1]) < 1500
