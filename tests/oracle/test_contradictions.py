"""Tests of what a file of traces must not say if it is to be taken for sweeps."""

from pathlib import Path

import pyarrow as pa
import pytest

from oracle.contradictions import contradictions
from traces.store import arrow_schema, read_table


@pytest.fixture(scope="module")
def traces(traces_path: Path) -> pa.Table:
    """The recorded runs."""
    return read_table(traces_path, kind="traces")[0]


def test_a_recording_contradicts_itself_in_nothing(traces: pa.Table) -> None:
    """The check below is for files that somebody made by other means."""
    assert [] == list(contradictions(traces))


def test_two_recordings_in_one_file_are_noticed(traces: pa.Table) -> None:
    """Both have a scenario 0; one sweep of both would be a mixture."""
    runs = traces.to_pylist()
    other = [run | {"application": "adi"} for run in runs if run["scenario"] == 0]
    problems = list(contradictions(pa.Table.from_pylist(runs + other, arrow_schema("traces"))))
    where = f"in row {len(runs)}"
    assert problems[0].startswith("scenario 0 must be one application among the same others ")
    assert problems[0].endswith(where + ")")
    assert "(got core " in problems[1]
    assert "again " + where in problems[1]


def test_an_application_on_an_occupied_core_is_noticed(traces: pa.Table) -> None:
    """The oracle takes the background's cores for taken."""
    runs = [run for run in traces.to_pylist() if run["background_cores"]]
    core = runs[0]["background_cores"][0]
    runs[0]["application_core"] = core
    problems = list(contradictions(pa.Table.from_pylist(runs, arrow_schema("traces"))))
    assert f"application_core must be none of background_cores (got {core} in row 0)" in problems
