"""Long files of the formats that importers read: a short one, repeated with other values."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

_POWMON_CORES = range(8)
_EVENTS = {0: ("0x14", "0x16", "0x13", "0x0f"), 4: ("0x1b", "0x50", "0x6a", "0x73", "0x14", "0x19")}
_COUNTERS = (
    "CPU_CYCLES",
    "L1I_CACHE_REFILL",
    "L1I_TLB_REFILL",
    "L1D_CACHE_ACCESS",
    "L1D_TLB_REFILL",
    "INST_RETIRED",
    "EXCEPTION_TAKEN",
    "EXCEPTION_RETURN",
    "BRANCH_MISPRED",
    "BRANCH_PRED",
    "DATA_MEM_ACCESS",
    "L1I_CACHE_ACCESS",
    "L2D_CACHE_ACCESS",
)


_DISTINCT = 60_000
"""Rows of counters that differ: more than compression looks back."""


def write_powmon(path: Path, rows: int) -> None:
    """PowMon's 94 columns: the widest."""
    names = _powmon_names()
    rng = np.random.default_rng(0)
    block = [_powmon_cells(names, rng, i) for i in range(500)]
    at = names.index("Workload Duration")
    halves = [("\t".join(row[:at]), "\t".join(row[at + 1 :])) for row in block]
    with path.open("w") as file:
        file.write("\t".join(names) + "\n")
        for repeat in range(rows // len(halves)):
            file.writelines(f"{a}\t30.{repeat:09d}\t{b}\n" for a, b in halves)


def _powmon_names() -> list[str]:
    names = ["", "Workload ID", "Workload Name", "Core Mask", "Frequency A7", "Frequency A15"]
    names += ["Workload Duration", "Number of Iterations", "Samples Averaged", "Status"]
    for rail in ("A7", "A15", "Memory", "GPU"):
        names += [f"Voltage {rail}", f"Power {rail}"]
    names += [f"Temperature C{i}" for i in range(4, 8)] + ["Average Temperature A15"]
    for core in _POWMON_CORES:
        names += [f"Core {core} CycleCount"]
        names += [f"Core {core} Event {event}" for event in _EVENTS[core // 4 * 4]]
    names += ["Average Utilisation", *(f"Core {core} Utilisation" for core in _POWMON_CORES)]
    names += ["A7 Average Utilisation", "A15 Average Utilisation"]
    for cluster, first in (("A7", 0), ("A15", 4)):
        names += [f"Average {cluster} CycleCount"]
        names += [f"Average {cluster} Event {event}" for event in _EVENTS[first]]
    return names


def _powmon_cells(names: list[str], rng: np.random.Generator, number: int) -> list[str]:
    used = rng.uniform(30, 99, size=8)
    return [_powmon_cell(name, used, rng, number) for name in names]


def _powmon_cell(name: str, used: np.ndarray, rng: np.random.Generator, number: int) -> str:
    fixed = {
        "": str(number),
        "Workload ID": str(number % 45),
        "Workload Name": f"program_{number % 45}",
        "Core Mask": ":".join(["4,5,6,7"] * (1 + number % 4)),
        "Frequency A7": "1000",
        "Frequency A15": str(200 + 200 * (number % 9)),
        "Number of Iterations": "-1",
        "Samples Averaged": "140",
        "Status": "",
        "Workload Duration": "",
    }
    if name in fixed:
        return fixed[name]
    core = int(name[5]) if name.startswith("Core ") else 0
    if name.startswith("Core ") and name.endswith("CycleCount"):
        mhz = 1000 if core < 4 else 200 + 200 * (number % 9)
        return f"{used[core] / 100 * mhz * 1e6:.12g}"
    if name.startswith("Core ") and name.endswith("Utilisation"):
        return f"{used[core]:.12g}"
    low, high = (0.9, 1.2) if name.startswith("Voltage") else (0.1, 60.0)
    high = 6.0 if name.startswith("Power") else high
    high = 5e9 if "Event" in name or "CycleCount" in name else high
    return f"{rng.uniform(low, high):.12g}"


def write_armpm(path: Path, rows: int) -> None:
    """ARMPM's 21 columns, whole numbers for the most part."""
    names = ["#Timestamp", "Benchmark", "Run(#)", "CPU(4) Frequency(MHz)", "CPU(4) Temperature(C)"]
    names += ["A15 Voltage(V)", "A15 Current(A)", "A15 Power(W)", *_COUNTERS]
    rng = np.random.default_rng(0)
    counts = [
        "\t".join([str(round(f * 5e8)), *map(str, rng.integers(10**5, 3 * 10**8, size=12))])
        for f in rng.uniform(0.9, 1.0, size=_DISTINCT)
    ]
    with path.open("w") as file:
        file.write("\t".join(names) + "\n")
        for run in range(rows // 100):
            begin = 1495831097436428133 + run * 60 * 10**9
            setting = f"program_{run % 6}\t{1 + run // 18}\t{1000 + 400 * (run // 6 % 3)}"
            file.writelines(
                f"{begin + i * 509_800_000}\t{setting}\t{34 + i % 20}\t1.1\t1.140\t1.366\t{one}\n"
                for i, one in enumerate(counts[run % (_DISTINCT // 100) * 100 :][:100])
            )


def write_perf_stat(path: Path, rows: int) -> None:
    """``perf stat -I 100 -x, -A`` on eight CPUs: the narrowest, a line per CPU and event."""
    events = ("cycles", "instructions", "l2d_cache", "context-switches")
    rng = np.random.default_rng(0)
    values = rng.integers(10**6, 10**9, size=(97, 32)).tolist()
    with path.open("w") as file:
        file.write("# started on Sun Nov 29 18:45:27 2026\n\n")
        for interval in range(rows // 32):
            file.writelines(_perf_lines(interval, events, values[interval % 97]))


def _perf_lines(interval: int, events: tuple[str, ...], values: list[int]) -> Iterator[str]:
    time_s = 0.1 * (interval + 1)
    for number, event in enumerate(events):
        for cpu in range(8):
            value = values[8 * number + cpu]
            yield f"{time_s:16.9f},CPU{cpu},{value},,{event},100001234,100.00,,\n"


WRITERS = {"powmon": write_powmon, "armpm": write_armpm, "perf-stat": write_perf_stat}
"""What makes a file of a format with so many rows."""
