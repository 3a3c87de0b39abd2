"""Tests of the importers: each format's sample becomes the rows that it says, in SI units."""

import gzip
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.traces.importers.samples import (
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
    text_of,
)
from traces.importers.machine import parse_clusters
from traces.importers.registry import IMPORTERS
from traces.measurements import matrix, read_measurements

LITTLE_BIG = parse_clusters("little=0-3,big=4-7")


def read(files: Files) -> tuple[pa.Table, Any]:
    """What was imported."""
    return read_measurements(files.out)


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_format_is_found_by_its_beginning(files: Files, name: str) -> None:
    """Users need not know what their file is called by us."""
    assert name == files.imported(files.write("a.txt", SAMPLES[name]())).format


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_gzipped_file_gives_the_same_rows(files: Files, name: str) -> None:
    """The compression is undone on the way."""
    files.imported(files.write("a.txt", SAMPLES[name]()))
    plain, _ = read(files)
    files.imported(files.write("a.gz", gzip.compress(SAMPLES[name]().encode())))
    packed, metadata = read(files)
    assert repr(plain.to_pylist()) == repr(packed.to_pylist())
    assert "a.gz" == metadata.source[0].file


@pytest.mark.parametrize("name", sorted({"powmon", "armpm", "freqbench", "sbc-bench"}))
def test_columns_are_found_by_name_in_any_order(files: Files, name: str) -> None:
    """Whoever cut or sorted columns keeps what they mean."""
    text = SAMPLES[name]()
    delimiter = "\t" if name in ("powmon", "armpm") else ","
    names, *cells = [line.split(delimiter) for line in text.splitlines()]
    shuffled = list(np.random.default_rng(0).permutation(names))
    rows = [dict(zip(names, one, strict=True)) for one in cells]
    files.imported(files.write("a.txt", text))
    expected, _ = read(files)
    files.imported(files.write("a.txt", text_of(rows, delimiter, shuffled)))
    got, _ = read(files)
    assert repr(expected.to_pylist()) == repr(got.select(expected.schema.names).to_pylist())


def test_powmon_sums_the_tested_cluster_and_keeps_the_other_rails(files: Files) -> None:
    """Cycles are the program's; the memory's power is no cluster's."""
    files.imported(files.write("p.tsv", powmon()))
    table, metadata = read(files)
    first = table.slice(0, 1).to_pylist()[0]
    assert (("A7", "A15"), ("C4", "C5", "C6", "C7")) == (metadata.clusters, metadata.sensors)
    assert metadata.averaged
    assert ("qsort", 2, 1, 30.25) == tuple(
        first[name] for name in ("application", "instances", "cluster", "window_s")
    )
    assert [1_000_000_000, 1_000_000_000] == first["freq_hz"]
    assert [0.07, 1.5] == first["power_w"]
    assert pytest.approx([0.04, 1.52]) == first["busy_cores"]
    assert pytest.approx(1.52e9) == first["cycles_per_s"]
    assert (26_000.0, 26_000.0) == (first["instructions_per_s"], first["l2d_per_s"])
    assert np.isnan(first["counter.0x16_per_s"])
    assert 0.03 == first["rail.Memory_w"]
    assert "instructions are speculatively executed ones (event 0x1b), not retired" in (
        metadata.notes
    )


def test_powmon_numbers_equal_runs(files: Files) -> None:
    """Idle is there several times at a frequency, each time another measurement."""
    rows = [powmon_row("idle", **{"Workload Duration": f"30.{i}"}) for i in range(3)]
    files.imported(files.write("p.tsv", powmon(*rows)))
    table, _ = read(files)
    assert [0, 1, 2] == table["repeat"].to_pylist()
    assert 3 == len(set(table["run"].to_pylist()))


def test_armpm_drops_the_run_that_misses_work_and_says_so(files: Files) -> None:
    """Each row merges two executions, and the run is cut to the shorter one."""
    runs = [armpm_run("lu", n, mhz) for mhz in (1000, 1800) for n in (1, 2)]
    runs[2] = armpm_run("lu", 1, 1800, share=0.6)
    done = files.imported(files.write("a.tsv", armpm(*runs)))
    table, metadata = read(files)
    assert 3 == done.runs
    assert "lu/1800MHz#1" not in table["run"].to_pylist()
    (dropped,) = metadata.dropped
    assert ("runs with a total of INST_RETIRED off by more than 10%", 1) == (
        dropped.rule,
        dropped.count,
    )
    assert dropped.example.endswith("a.tsv: line 10: lu/1800MHz#1 has 0.60 of the median")


def test_armpm_keeps_a_run_whose_total_is_off_by_less(files: Files) -> None:
    """Programs differ a little from run to run."""
    runs = [armpm_run("lu", n, 1000, share=share) for n, share in ((1, 1.0), (2, 0.93), (3, 1.0))]
    assert 3 == files.imported(files.write("a.tsv", armpm(*runs))).runs


def test_armpm_judges_no_program_with_two_runs(files: Files) -> None:
    """Of two that differ nobody knows which is wrong."""
    runs = [armpm_run("lu", 1, 1000), armpm_run("lu", 2, 1000, share=0.5)]
    done = files.imported(files.write("a.tsv", armpm(*runs)))
    assert (2, ()) == (done.runs, done.metadata.dropped)
    assert "fewer than 3 runs of lu: no total could be judged" in done.metadata.notes


def test_armpm_counts_become_rates_and_power_over_current_the_voltage(files: Files) -> None:
    """The voltage column is cut to a tenth of a volt."""
    files.imported(files.write("a.tsv", armpm()))
    table, _ = read(files)
    second = table.slice(1, 1).to_pylist()[0]
    assert (0.5, 0.5) == (second["time_s"], second["window_s"])
    assert (9e8, 2e8) == (second["cycles_per_s"], second["instructions_per_s"])
    assert pytest.approx(1.2) == second["volt_v"][1]
    assert pytest.approx(0.9) == second["busy_cores"][1]
    assert [0.0, 0.5, 1.0, 1.5] == table["time_s"].to_pylist()[:4]


def test_sensor_logs_are_split_at_any_white_space(files: Files) -> None:
    """Only their header is tab-separated."""
    files.imported(files.write("s.tsv", SAMPLES["armpm-sensors"]()), application="parsec")
    table, metadata = read(files)
    assert ("CPU(0)", "CPU(4)") == metadata.sensors
    assert [[44.0, 38.0], [45.0, 38.0], [46.0, 38.0]] == matrix(table, "temp_c").tolist()
    assert [0.0, 0.5, 1.0] == table["time_s"].to_pylist()
    assert [0.05] * 3 == table["rail.RAM_w"].to_pylist()
    assert {"parsec"} == set(table["application"].to_pylist())


def test_freqbench_power_is_in_watts_and_of_the_cluster_tested(files: Files) -> None:
    """A CPU's number says which."""
    files.imported(files.write("f.csv", freqbench()), layout=LITTLE_BIG)
    table, metadata = read(files)
    assert ("little", "big") == metadata.clusters
    assert "device above idle" == metadata.power_of
    power_w = matrix(table, "power_w")
    assert [0.15, 0.3] == power_w[:2, 0].round(9).tolist()
    assert np.isnan(power_w[:2, 1]).all()
    assert [0, 0, 1, 1] == table["cluster"].to_pylist()
    assert pytest.approx([1950, 3900, 3120, 6240]) == table["work_per_s"].to_pylist()


def test_freqbench_notes_speeds_that_do_not_follow_the_clock(files: Files) -> None:
    """Some phones run faster than they say."""
    odd = freqbench_row(4, 2_080_000)
    odd = freqbench_row(4, 2_000_000) | {
        name: odd[name] for name in ("CoreMarks (iter/s)", "Time (s)")
    }
    odd["CoreMarks/MHz"] = f"{float(odd['CoreMarks (iter/s)']) / 2000:.6f}"
    odd["Energy (J)"] = f"{0.5 * float(odd['Time (s)']):.6f}"
    rows = [freqbench_row(4, khz) for khz in (600_000, 1_200_000)] + [odd]
    done = files.imported(files.write("f.csv", freqbench(*rows)))
    assert any(note.startswith("cpu4: CoreMarks/MHz of 1 rows") for note in done.metadata.notes)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_perf_lines_become_one_row_an_interval(files: Files, separator: str) -> None:
    """The separator is found; task-clock has fewer columns than the others and is read too."""
    files.imported(files.write("run1.csv", perf(separator=separator)))
    table, metadata = read(files)
    assert [0.0, 0.5, 1.0] == table["time_s"].to_pylist()
    assert [1e9] * 3 == table["cycles_per_s"].to_pylist()
    assert [2e9] * 3 == table["instructions_per_s"].to_pylist()
    assert [[0.5]] * 3 == table["busy_cores"].to_pylist()
    assert {"run1"} == set(table["run"].to_pylist())
    assert () == metadata.dropped


def test_perf_per_cpu_is_summed_and_kept_per_cluster(files: Files) -> None:
    """What a CPU did not count is unknown, and counted."""
    text = perf(per_cpu=True, skip="task-clock")
    files.imported(files.write("r.csv", text), layout=parse_clusters("a=0,b=1"))
    table, metadata = read(files)
    assert [1e9, 2e9, 2e9] == table["cycles_per_s"].to_pylist()
    assert [1e9, 1e9, 1e9] == table["counter.a.cycles_per_s"].to_pylist()
    assert np.isnan(table["counter.b.cycles_per_s"].to_pylist()[0])
    (dropped,) = metadata.dropped
    assert ("values <not counted> (not dropped: unknown in that interval)", 2) == (
        dropped.rule,
        dropped.count,
    )


def test_perf_per_core_lines_are_summed(files: Files) -> None:
    """--per-core adds a column with the number of CPUs."""
    lines = [
        f"     {t}.500000000,S0-D0-C{core},1,{10**9},,cycles,5,100.00,,"
        for t in (0, 1)
        for core in (0, 1)
    ]
    files.imported(files.write("r.csv", "\n".join(lines) + "\n"))
    assert [4e9, 2e9] == read(files)[0]["cycles_per_s"].to_pylist()


def test_perf_intervals_without_all_lines_are_dropped(files: Files) -> None:
    """The program ended in the midst of the last one."""
    text = perf(intervals=3, skip="1.500000000,250.0")
    done = files.imported(files.write("r.csv", text))
    assert 2 == done.rows
    assert "intervals without all lines of the first" == done.metadata.dropped[0].rule


def test_sbc_bench_puts_swapped_clocks_right_and_counts_them(files: Files) -> None:
    """What is called big never is as fast as what is called little."""
    rows = [sbc_row("XyIw", t, "1800", "2256") for t in (0, 30, 60)]
    done = files.imported(files.write("h.csv", sbc(*rows)))
    table, _ = read(files)
    assert [[1_800_000_000, 2_256_000_000]] * 3 == matrix(table, "freq_hz").tolist()
    assert 3 == done.metadata.dropped[0].count
    assert "swapped" in done.metadata.dropped[0].rule


def test_sbc_bench_drops_a_row_at_the_same_second_only(files: Files) -> None:
    """The log's clock has whole seconds."""
    rows = [sbc_row("41BH", t, temp_c=str(36 + i)) for i, t in enumerate((0, 10, 10, 30))]
    done = files.imported(files.write("h.csv", sbc(*rows)))
    table, _ = read(files)
    assert [36.0, 37.0, 39.0] == matrix(table, "temp_c")[:, 0].tolist()
    assert [0.0, 0.0, 10.0] == table["time_s"].to_pylist()
    assert [0.0, 10.0, 20.0] == table["window_s"].to_pylist()
    assert 1 == done.metadata.dropped[0].count


def test_hotspot_traces_pair_by_row_and_name_and_kelvin_is_seen(files: Files) -> None:
    """Columns of the two files stand in another order."""
    paths = files.write("gcc.ptrace", PTRACE), files.write("gcc_cold.ttrace", TTRACE_K)
    files.imported(*paths, step_s=0.01)
    table, metadata = read(files)
    assert ("L2", "Icache", "FPQ") == metadata.clusters == metadata.sensors
    assert [1.44, 8.27, 0.2] == matrix(table, "power_w")[0].tolist()
    assert pytest.approx([45.55, 53.8, 46.0]) == matrix(table, "temp_c")[0].tolist()
    assert [0.0, 0.01] == table["time_s"].to_pylist()


def test_hotspot_temperatures_may_be_in_degrees(files: Files) -> None:
    """No temperature of a chip is possible in both units."""
    files.imported(files.write("a.ttrace", "L2 FPQ\n45.5 46.0\n"), name="hotspot", step_s=1.0)
    assert [45.5, 46.0] == matrix(read(files)[0], "temp_c")[0].tolist()


def test_several_files_of_a_format_become_one(files: Files) -> None:
    """Each perf log is a run."""
    paths = [files.write(f"run{i}.csv", perf()) for i in range(2)]
    assert (6, 2) == (files.imported(*paths).rows, 2)
    assert ["run0"] * 3 + ["run1"] * 3 == read(files)[0]["run"].to_pylist()
    assert 2 == len(read(files)[1].source)


def test_the_same_file_gives_the_same_bytes(files: Files) -> None:
    """No time stamps, no order by chance."""
    path = files.write("a.tsv", armpm())
    files.imported(path)
    first = files.out.read_bytes()
    files.imported(path)
    assert first == files.out.read_bytes()


def test_every_format_says_what_it_reads() -> None:
    """The help is the manual."""
    for importer in IMPORTERS.values():
        assert "Rules:" in importer.manual
        assert all(len(line) <= 98 for line in importer.manual.splitlines())
