"""The tutorial of docs/training-jobs.md, run as it is written."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs/training-jobs.md"
PATIENCE_S = 600.0
FILE = re.compile(r"^`([\w.]+)`:\n\n```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tutorial() -> str:
    """The page's part that is to be followed."""
    text = PAGE.read_text("utf-8")
    return text[text.index("## Tutorial") : text.index("## With Flower")]


def follow(folder: Path) -> str:
    """Write the files, run the blocks one after the other in one shell; what it printed."""
    for name, content in FILE.findall(tutorial()):
        (folder / name).write_text(content)
    blocks = SHELL.findall(tutorial())
    script = "set -eu\n" + "\n".join(f"echo BLOCK {n}\n{b}" for n, b in enumerate(blocks))
    environment = os.environ | {
        "ILGOV": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_WAIT_POLICY": "PASSIVE",  # other tests run beside it
    }
    shell = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(shell.pid, signal.SIGKILL)
        said, _ = shell.communicate()
    logs = "".join(f"--- {p.name}\n{p.read_text()[-2000:]}" for p in folder.glob("*.log"))
    assert 0 == shell.returncode, f"{said}\n{logs}"
    return said


@pytest.mark.slow
def test_who_follows_the_tutorial_sees_what_it_says(tmp_path: Path) -> None:
    """Grants, a pause in the heat with no step lost, and a process that takes up another's work."""
    said = follow(tmp_path)
    assert 6 == said.count("BLOCK ")
    assert '"modelled"' in (tmp_path / "mine.json").read_text()
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    dry, governed, again = by_process(events)

    assert [0] == [event["number"] for event in of(dry, "grant")], "nobody has to obey"
    would = json.loads(
        next(line for line in said.splitlines() if line.startswith('{"time_unix_s"'))
    )
    assert would["grants"][0]["cores"]
    assert would["grants_reason"]

    assert 0 < of(governed, "grant")[0]["number"]
    assert re.search(r"mine .*(granted|paused)", said), "ilgov status shows the job"
    goes_on = of(governed, "goes on")[0]
    before = [event for event in governed[: governed.index(goes_on)] if event["event"] == "kept"]
    assert goes_on["steps"] == before[-1]["steps"]

    taken_up = of(again, "taken up")[0]
    kept = of(governed, "kept")[-1]
    assert (kept["steps"], kept["samples"]) == (taken_up["steps"], taken_up["samples"])
    assert 0 < of(again, "grant")[0]["number"]


def by_process(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The events of each process, in the order of their beginnings."""
    pids = dict.fromkeys(event["pid"] for event in events)
    return [[event for event in events if event["pid"] == pid] for pid in pids]


def of(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The events of a name."""
    return [event for event in events if event["event"] == name]
