"""Properties of the importers: whatever comes, it is imported right or refused, never half."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platforms.errors import InvalidInput
from tests.traces.importers.samples import (
    SAMPLES,
    Files,
    armpm,
    armpm_run,
    perf,
    powmon,
    powmon_row,
    sbc,
    sbc_row,
)
from traces.importers.duplicates import DuplicateRows, digests
from traces.importers.machine import parse_clusters
from traces.importers.registry import IMPORTERS
from traces.measurements import matrix, read_measurements


def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory()


@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(max_examples=40)
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused_or_is_whole_lines(name: str, data: st.DataObject) -> None:
    """Only a cut between two lines can go unseen: the lines before it are then read as ever."""
    text = SAMPLES[name]()
    at = data.draw(st.integers(0, len(text) - 1))
    layout = parse_clusters("little=0-3,big=4-7") if name == "freqbench" else None
    with _folder() as folder:
        files = Files(Path(folder))
        path = files.write("a.txt", text[:at])
        try:
            done = files.imported(path, name=name, layout=layout)
        except InvalidInput:
            assert files.is_untouched
            return
        assert text[:at].endswith("\n")
        if (name, done.rows) == ("armpm-sensors", 1):
            return  # one sample alone has no length
        cut = read_measurements(files.out)[0].to_pylist()
        files.imported(files.write("a.txt", text), name=name, layout=layout)
        whole = read_measurements(files.out)[0].slice(0, done.rows).to_pylist()
        assert repr(whole) == repr(cut)


@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(max_examples=15)
@given(data=st.data())
def test_a_gzip_stream_cut_anywhere_is_refused(name: str, data: st.DataObject) -> None:
    """Its end carries a checksum and a length."""
    packed = gzip.compress(SAMPLES[name]().encode(), mtime=0)
    at = data.draw(st.integers(1, len(packed) - 1))
    with _folder() as folder:
        files = Files(Path(folder))
        path = files.write("a.gz", packed[:at])
        with pytest.raises(InvalidInput, match=r"a\.gz"):
            files.imported(path, name=name)
        assert files.is_untouched


@pytest.mark.parametrize("name", sorted(IMPORTERS))
@settings(max_examples=25)
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_refused_in_words(name: str, content: bytes) -> None:
    """No traceback, and nothing written."""
    with _folder() as folder:
        files = Files(Path(folder))
        path = files.write("a.ptrace", content)
        with pytest.raises(InvalidInput):
            files.imported(path, name=name, step_s=1.0)
        assert files.is_untouched


@settings(max_examples=40)
@given(
    values=st.lists(
        st.tuples(st.floats(-1, 50), st.floats(-40, 150), st.floats(0.3, 2), st.integers(10, 6000)),
        min_size=1,
        max_size=5,
        unique_by=lambda one: one,
    )
)
def test_powmon_values_come_through_as_they_are(
    values: list[tuple[float, float, float, int]],
) -> None:
    """All that is possible, to the last bit."""
    rows = [
        powmon_row(
            mhz=mhz,
            **{"Power A15": repr(w), "Temperature C6": repr(c), "Voltage A15": repr(v)},
        )
        for w, c, v, mhz in values
    ]
    with _folder() as folder:
        files = Files(Path(folder))
        files.imported(files.write("p.tsv", powmon(*rows)))
        table, _ = read_measurements(files.out)
        assert [one[0] for one in values] == matrix(table, "power_w")[:, 1].tolist()
        assert [one[1] for one in values] == matrix(table, "temp_c")[:, 2].tolist()
        assert [one[2] for one in values] == matrix(table, "volt_v")[:, 1].tolist()
        assert [one[3] * 10**6 for one in values] == matrix(table, "freq_hz")[:, 1].tolist()


@settings(max_examples=25)
@given(
    shares=st.lists(st.floats(0.2, 3.0), min_size=3, max_size=6),
    block=st.integers(300, 3000),
)
def test_armpm_drops_the_runs_that_the_rule_names_in_whatever_blocks(
    shares: list[float], block: int
) -> None:
    """The rule by hand, and files that are read in pieces of any size."""
    runs = [armpm_run("lu", n, 1000, share=share) for n, share in enumerate(shares, 1)]
    totals = [sum(int(row["INST_RETIRED"]) for row in run) for run in runs]
    kept = [n for n, one in enumerate(totals, 1) if abs(one / np.median(totals) - 1) <= 0.1]
    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("traces.importers.source.BLOCK_BYTES", block)
        files = Files(Path(folder))
        path = files.write("a.tsv", armpm(*runs))
        if not kept:
            with pytest.raises(InvalidInput, match="must have rows to import"):
                files.imported(path)
            return
        files.imported(path)
        table, metadata = read_measurements(files.out)
        assert [f"lu/1000MHz#{n}" for n in kept] == list(dict.fromkeys(table["run"].to_pylist()))
        assert len(runs) - len(kept) == sum(one.count for one in metadata.dropped)
        assert [0.0, 0.5, 1.0, 1.5] * len(kept) == table["time_s"].to_pylist()


@pytest.mark.parametrize("name", sorted(SAMPLES))
@settings(max_examples=15)
@given(block=st.integers(20, 2000))
def test_rows_do_not_depend_on_where_blocks_end(name: str, block: int) -> None:
    """A file larger than memory is read in pieces; this one in pieces of a few bytes."""
    with _folder() as folder:
        files = Files(Path(folder))
        path = files.write("a.txt", SAMPLES[name]())
        files.imported(path)
        expected = repr(read_measurements(files.out)[0].to_pylist())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("traces.importers.source.BLOCK_BYTES", block)
            files.imported(path)
        assert expected == repr(read_measurements(files.out)[0].to_pylist())


@settings(max_examples=20)
@given(t_s=st.lists(st.integers(0, 500), min_size=1, max_size=12), block=st.integers(60, 900))
def test_sbc_rows_cover_the_time_between_them(t_s: list[int], block: int) -> None:
    """No interval is lost, and none is counted twice."""
    t_s = sorted(t_s)
    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("traces.importers.source.BLOCK_BYTES", block)
        files = Files(Path(folder))
        files.imported(files.write("h.csv", sbc(*(sbc_row("a", t) for t in t_s))))
        table, _ = read_measurements(files.out)
        assert t_s[-1] - t_s[0] == sum(table["window_s"].to_pylist())
        assert sorted(set(t_s)) == [
            start + window
            for start, window in zip(
                table["time_s"].to_pylist(), table["window_s"].to_pylist(), strict=True
            )
        ]


@settings(max_examples=20)
@given(intervals=st.integers(1, 30), block=st.integers(40, 900), per_cpu=st.booleans())
def test_perf_intervals_are_whole_in_whatever_blocks(
    intervals: int, block: int, per_cpu: bool
) -> None:
    """An interval's lines may lie in two blocks."""
    with _folder() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("traces.importers.source.BLOCK_BYTES", block)
        files = Files(Path(folder))
        skip = "task-clock" if per_cpu else "none"
        text = perf(per_cpu=per_cpu, intervals=intervals, skip=skip)
        done = files.imported(files.write("r.csv", text), name="perf-stat")
        assert intervals == done.rows
        assert not [one for one in done.metadata.dropped if "intervals" in one.rule]


@settings(max_examples=20)
@given(rows=st.lists(st.integers(0, 300), max_size=40), spill=st.integers(1, 20))
def test_the_first_row_that_is_there_twice_is_found(rows: list[int], spill: int) -> None:
    """On disk as in memory."""
    seen = set[int]()
    expected = next((i for i, one in enumerate(rows) if one in seen or seen.add(one)), None)
    with pytest.MonkeyPatch.context() as patch, DuplicateRows() as duplicates:
        patch.setattr("traces.importers.duplicates.IN_MEMORY", spill)
        for number, one in enumerate(rows):
            duplicates.add(digests([np.array([float(one)])]), np.array([number]))
        found = duplicates.first()
    if expected is None:
        assert found is None
    else:
        assert (expected, rows.index(rows[expected])) == found
