"""The clocks of the clusters while it is measured: steered where possible, else as they are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from platforms.board import Board, Cluster
from platforms.errors import InvalidInput
from platforms.linux.clocks.frequency_domain import FrequencyDomain, find_domains
from platforms.linux.clocks.steered_clusters import SteeredClusters, actuators_for
from platforms.linux.errors import Unreadable
from platforms.linux.knobs.journal import JOURNAL_NAME, Journal, read_boot_id
from platforms.linux.knobs.knobs import KnobWriter
from platforms.linux.knobs.restore import restore
from platforms.linux.knobs.system_calls import calls_for
from platforms.linux.root_option import under
from platforms.nearest_opp import nearest_opp
from rm.planner.capability import Place


class Clocks:
    """The board's clusters without anybody to steer them; `why` says why, for people to read."""

    def __init__(self, board: Board, root: Path, why: str) -> None:
        self.board, self.why = board, why
        self._domains = {domain.cores: domain for domain in find_domains(root)}

    def freqs_hz(self, cluster: Cluster) -> tuple[int, ...]:
        """The frequencies at which it can be measured: the present one.

        Where no cpufreq tells it, it is taken for the highest.
        """
        domain = self._domains.get(cluster.cores)
        seen = _seen(domain) if domain else None
        return (cluster.freqs_hz[-1 if seen is None else nearest_opp(cluster.freqs_hz, seen)],)

    def go_to(self, place: Place) -> None:
        """Nothing can be set."""
        del place


class SteeredClocks(Clocks):
    """Clocks that are ours."""

    def __init__(self, board: Board, root: Path, clusters: SteeredClusters | None) -> None:
        super().__init__(board, root, "")
        self._clusters = clusters
        self._opps = [0] * len(board.clusters)

    def freqs_hz(self, cluster: Cluster) -> tuple[int, ...]:
        """All of its operating points."""
        return cluster.freqs_hz

    def go_to(self, place: Place) -> None:
        """Set the place's frequency; the other clusters go to their lowest.

        Raises InvalidInput where the kernel refuses.
        """
        self._opps = [
            cluster.freqs_hz.index(place.freq_hz) if cluster.name == place.unit else 0
            for cluster in self.board.clusters
        ]
        for problem in self._clusters.set(self._opps) if self._clusters else ():
            raise InvalidInput(f"{place.unit} must go to {place.freq_hz} Hz ({problem})")


@contextmanager
def clocks_of(board: Board, *, root: Path, state_dir: Path, take: bool = True) -> Iterator[Clocks]:
    """The clocks of the machine at `root`, given back when the block ends, or by ``ilgov restore``.

    Without `take` they are only looked at: what could be set is told, and nothing is written.
    InvalidInput where the machine has not the board's cores.
    """
    _must_have_cores(board, root)
    try:
        actuators = actuators_for(board, find_domains(root), "setspeed")
    except InvalidInput as error:
        yield Clocks(board, root, str(error))
        return
    if not os.access(root / f"{actuators[0].domain.path}/scaling_setspeed".lstrip("/"), os.W_OK):
        yield Clocks(board, root, "this user may not write cpufreq's files; run it as root")
        return
    if not take:
        yield SteeredClocks(board, root, None)
        return
    calls, path = calls_for(root), under(root, state_dir) / JOURNAL_NAME
    restore(root, path, calls)
    journal = Journal.open(path, boot_id=read_boot_id(root))
    writer = KnobWriter(root, journal, calls)
    clusters = SteeredClusters(board, actuators, writer)
    try:
        clusters.take()
        yield SteeredClocks(board, root, clusters)
    finally:
        writer.restore_all()
        writer.close()
        if journal.undo():
            journal.close()
        else:
            journal.remove()


def _must_have_cores(board: Board, root: Path) -> None:
    online = set(os.sched_getaffinity(0)) if root == Path("/") else set(range(board.core_count))
    for cluster in board.clusters:
        if missing := sorted(set(cluster.cores) - online):
            raise InvalidInput(
                f"board {board.name} must be this machine to be measured: cores {missing} of "
                f"{cluster.name} cannot be used here; see 'ilgov board probe', or use --modelled"
            )


def _seen(domain: FrequencyDomain) -> int | None:
    try:
        return domain.read().freq_hz
    except Unreadable:
        return None
