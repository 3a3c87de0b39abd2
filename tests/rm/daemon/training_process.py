"""A training loop as a process of its own, for tests that kill it.

python -m tests.rm.daemon.training_process SOCKET PID LOG      until it is killed
"""

import json
import sys
import time
from pathlib import Path
from typing import TextIO

from rm.training_client import Trainer
from tests.rm.training_capability import capability

STEP_S = 0.05


def main(socket: str, pid: str, log: str) -> None:
    """Train as the process `pid` says that it does; a line for each step."""
    with (
        Path(log).open("a") as lines,
        Trainer(
            capability(),
            name="loop",
            pid=int(pid),
            socket_path=socket,
            patience_s=10.0,
            checkpoint=lambda: _say(lines, saved=True),
        ) as trainer,
    ):
        trainer.begin_round(samples=1e5, deadline_s=1000.0)
        grant = trainer.wait()
        while True:
            time.sleep(STEP_S)
            samples = grant.knobs["batch"]
            _say(lines, cores=grant.cores, samples=samples, alone=trainer.problem)
            grant = trainer.step(samples=samples, loss=1.0)


def _say(lines: TextIO, **line: object) -> None:
    lines.write(json.dumps(line) + "\n")
    lines.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
