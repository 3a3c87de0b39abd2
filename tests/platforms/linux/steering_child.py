"""A daemon that steers a fake root at random until it is killed: ``steering_child.py ROOT SEED``.

At its start it restores what the one before it has left, as the real one does.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from platforms.linux.clocks.actuators import Actuator, Cap, SetSpeed
from platforms.linux.clocks.frequency_domain import find_domains
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.process_start import read_life, threads_of
from platforms.linux.knobs.restore import restore
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.managed import ProcessKey


def keys(root: Path) -> Iterator[ProcessKey]:
    """The processes that are steered: those from 100 on."""
    for folder in root.glob("proc/[0-9]*"):
        life = read_life(root, int(folder.name))
        if life is not None and int(folder.name) >= 100:
            yield ProcessKey(int(folder.name), life.start_ticks)


def steer(root: Path, dice: random.Random) -> None:
    """Take, set, place, give back, for ever."""
    path = root / "var/lib/ilgov" / JOURNAL_NAME
    calls = calls_for(root)
    restore(root, path, calls)
    journal = Journal.open(path, boot_id=read_boot_id(root))
    writer = KnobWriter(root, journal, calls, pause=lambda _: None)
    actuators: list[Actuator] = [
        dice.choice([SetSpeed, Cap])(domain) for domain in find_domains(root)
    ]
    applications = list(keys(root))
    sys.stdout.write("steering\n")
    sys.stdout.flush()
    while True:
        for actuator in actuators:
            actuator.take(writer)
        for _ in range(dice.randrange(20)):
            actuator = dice.choice(actuators)
            actuator.set(writer, dice.choice(actuator.domain.freqs_hz))
            key = dice.choice(applications)
            cores = dice.sample(range(8), dice.randint(1, 4))
            writer.place(key, threads_of(root, key.pid), cores)
        writer.restore_process(dice.choice(applications))
        if dice.random() < 0.3:
            journal.compact(lambda tid, start: True)
        if dice.random() < 0.3:
            writer.restore_all()
            for actuator in actuators:
                actuator.forget()


if __name__ == "__main__":
    steer(Path(sys.argv[1]), random.Random(int(sys.argv[2])))
