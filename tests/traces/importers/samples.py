"""A few lines of each format, made here: tables are lists of rows by column name."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from traces.importers.importer import Request
from traces.importing import Imported, import_files

Row = dict[str, str]


def text_of(rows: Sequence[Row], delimiter: str, order: Sequence[str] | None = None) -> str:
    """A table as text, its columns in `order`."""
    names = order or list(rows[0])
    lines = [delimiter.join(names), *(delimiter.join(row[n] for n in names) for row in rows)]
    return "".join(f"{line}\n" for line in lines)


def powmon_row(name: str = "qsort", mhz: int = 1000, **changes: str) -> Row:
    """A row of PowMon: cores 4 and 5 are 50 and 100 % busy, the others 1 %."""
    share = {core: {4: 50.0, 5: 100.0}.get(core, 1.0) for core in range(8)}
    row = {"": "0", "Workload ID": "7", "Workload Name": name, "Core Mask": "4,5,6,7:4,5,6,7"}
    row |= {"Frequency A7": "1000", "Frequency A15": str(mhz), "Workload Duration": "30.25"}
    row |= {"Status": "", "Voltage A7": "1.08", "Voltage A15": "0.95", "Power A7": "0.07"}
    row |= {"Power A15": "1.5", "Voltage Memory": "1.21", "Power Memory": "0.03"}
    row |= {f"Temperature C{core}": f"{40 + core}.5" for core in range(4, 8)}
    row |= {"Average Temperature A15": "46"}
    for core in range(8):
        clock = 1000 if core < 4 else mhz
        row[f"Core {core} CycleCount"] = f"{share[core] / 100 * clock * 1e6:.6f}"
        row[f"Core {core} Utilisation"] = f"{share[core]:.6f}"
        for event in ("0x14", "0x16") if core < 4 else ("0x1b", "0x50", "0x14"):
            row[f"Core {core} Event {event}"] = str(1000 * (core + 1))
    return row | changes


def powmon(*rows: Row) -> str:
    """A PowMon table."""
    return text_of(rows or [powmon_row(), powmon_row(mhz=1800), powmon_row("idle")], "\t")


_ARMPM = ("CPU_CYCLES", "INST_RETIRED", "BRANCH_PRED", "L2D_CACHE_ACCESS")
BEGIN_NS = 1_495_831_097_000_000_000


def armpm_run(
    program: str, number: int, mhz: int, *, samples: int = 4, share: float = 1.0
) -> list[Row]:
    """One run; `share` of what it normally retires."""
    begin = BEGIN_NS + (number * 10_000 + mhz) * 1_000_000_000
    counts = [round(0.45e6 * mhz), round(4e8 / samples * share), 10_000_000 // samples, 5_000]
    return [
        {
            "#Timestamp": str(begin + i * 500_000_000),
            "Benchmark": program,
            "Run(#)": str(number),
            "CPU(4) Frequency(MHz)": str(mhz),
            "CPU(4) Temperature(C)": str(40 + i),
            "A15 Voltage(V)": "1.1",
            "A15 Current(A)": ".500",
            "A15 Power(W)": ".600",
            **{name: str(count) for name, count in zip(_ARMPM, counts, strict=True)},
        }
        for i in range(samples)
    ]


def armpm(*runs: list[Row]) -> str:
    """An ARMPM table."""
    some = runs or [armpm_run("dedup", number, mhz) for mhz in (1000, 1800) for number in (1, 2)]
    return text_of([row for run in some for row in run], "\t")


def sensors() -> str:
    """An ARMPM sensor log: a header with tabs, rows with one, and blanks."""
    names = ["#Timestamp"]
    for core, rail in ((0, "A7"), (4, "A15")):
        names += [f"CPU({core}) Frequency(MHz)", f"CPU({core}) Temperature(C)"]
        names += [f"{rail} Voltage(V)", f"{rail} Current(A)", f"{rail} Power(W)"]
    names += ["RAM Voltage(V)", "RAM Current(A)", "RAM Power(W)"]
    rows = [
        f"{BEGIN_NS + i * 500_000_000}\t1400 {44 + i} 1.2 0.2 0.25 1800 38 1.1  1.0 1.2 1.2 .04 .05"
        for i in range(3)
    ]
    return "".join(f"{line}\n" for line in ("\t".join(names), *rows))


def freqbench_row(cpu: int, khz: int, **changes: str) -> Row:
    """One test of 250 000 iterations."""
    speed = khz / 1000 * (3.25 if cpu == 1 else 5.2)
    milliwatts = khz / 4000
    time_s = 250_000 / speed
    return {
        "CPU": str(cpu),
        "Frequency (kHz)": str(khz),
        "CoreMarks (iter/s)": f"{speed:.6f}",
        "CoreMarks/MHz": f"{speed / khz * 1000:.9f}",
        "Power (mW)": f"{milliwatts:.9f}",
        "Energy (J)": f"{milliwatts / 1000 * time_s:.9f}",
        "ULPMark-CM (iter/mJ)": "50",
        "Time (s)": f"{time_s:.6f}",
    } | changes


def freqbench(*rows: Row) -> str:
    """A freqbench table."""
    some = rows or [freqbench_row(cpu, khz) for cpu in (1, 4) for khz in (600_000, 1_200_000)]
    return text_of(some, ",")


def perf(
    *, per_cpu: bool = False, separator: str = ",", intervals: int = 3, skip: str = "none"
) -> str:
    """``perf stat -I 500``: cycles, instructions and a clock, one CPU not counting the first."""
    lines = ["# started on Sun Nov 29 18:45:27 2026", ""]
    for i in range(intervals):
        time = f"{0.5 * (i + 1):.9f}"
        for event, value in (("cycles", 5 * 10**8), ("instructions", 10**9)):
            for place in (["CPU0"], ["CPU1"]) if per_cpu else ([],):
                is_off = place == ["CPU1"] and i == 0
                shown = "<not counted>" if is_off else str(value)
                cells = [f"     {time}", *place, shown, "", event, "500000000", "100.00", "", ""]
                lines.append(separator.join(cells))
        lines.append(separator.join([time, "250.0", "msec", "task-clock", "1", "2"]))
    return "".join(f"{line}\n" for line in lines if skip not in line)


def sbc_row(run: str, t_s: int, big: str = "2208", little: str = "1800", **changes: str) -> Row:
    """A reading of sbc-bench."""
    row = {"file": run, "board": "Khadas VIM3", "t_s": str(t_s), "big_mhz": big}
    row |= {"little_mhz": little, "load1": "2.00", "cpu_pct": "16", "temp_c": "36.3"}
    return row | {"vcore_v": "", "pmic_w": ""} | changes


def sbc(*rows: Row) -> str:
    """A heating table."""
    return text_of(rows or [sbc_row("1MFD", t) for t in (0, 120, 240)], ",")


PTRACE = "L2\tIcache\tFPQ\t\n1.44\t8.27\t0.2\t\n0.96\t5.4\t0.1\t\n"
TTRACE_K = "Icache\tL2\tFPQ\n326.95\t318.70\t319.15\n324.32\t318.60\t319.15\n"


class Files:
    """Writes samples into a folder and imports them."""

    def __init__(self, folder: Path) -> None:
        """Nothing is there yet."""
        self.folder = folder
        self.out = folder / "out" / "m.parquet"

    def write(self, name: str, content: str | bytes) -> Path:
        """A file with this content."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def imported(self, *paths: Path, name: str = "auto", **asked: object) -> Imported:
        """What an import of files comes to."""
        request = Request(**asked)  # type: ignore[arg-type]
        return import_files(paths, self.out, format_name=name, board="toy", asked=request)

    @property
    def is_untouched(self) -> bool:
        """Whether an import left nothing behind."""
        return not self.out.parent.exists() or not any(self.out.parent.iterdir())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """An empty folder for samples."""
    return Files(tmp_path)


Make = Callable[[], str]
SAMPLES: dict[str, Make] = {
    "powmon": powmon,
    "armpm": armpm,
    "armpm-sensors": sensors,
    "freqbench": freqbench,
    "perf-stat": perf,
    "sbc-bench": sbc,
}
"""A sound file of each format that is one file."""
