"""Whether a board file describes this machine: clusters, cores, frequencies, sensors."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from platforms.board import Board, Cluster
from platforms.board_file import load_board, shipped_boards
from platforms.linux.clocks.frequency_policies import boost_hz, listed_hz
from platforms.linux.probe.place import Place, find_places
from platforms.linux.thermal_zones import find_zones, zone_for


def differences(
    board: Board, root: Path, *, sensors: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Everything in which the machine at `root` is not `board`; nothing where they agree.

    `sensors` gives the thermal zone's type for sensors that are called otherwise in the board file.
    """
    places = find_places(root)
    yield from cluster_differences(board, places)
    zones = find_zones(root)
    for sensor in board.sensors:
        wanted = (sensors or {}).get(sensor.name, sensor.name)
        if zone_for(zones, wanted) is None:
            have = ", ".join(zone.name for zone in zones) or "none"
            yield f"sensor {sensor.name} must have a thermal zone {wanted} (there are: {have})"


def cluster_differences(board: Board, places: tuple[Place, ...]) -> Iterator[str]:
    """In which cores and frequencies the machine's policies are not the board's clusters."""
    ours = {cluster.cores for cluster in board.clusters}
    theirs = {place.cores for place in places}
    if ours != theirs:
        yield (
            f"clusters must have the cores {_cores(ours)} (cpufreq has {_cores(theirs)}); cores "
            "that are all offline have no policy"
        )
    for cluster, place in _both(board, places):
        have = set(listed_hz(place.folder)) | set(boost_hz(place.folder))
        lacking = sorted(set(cluster.freqs_hz) - have) if have else []
        if lacking:
            yield (
                f"cluster {cluster.name} must have frequencies that {place.folder.name} lists "
                f"(it does not: {_mhz(lacking)} MHz)"
            )


def unused_frequencies(board: Board, places: tuple[Place, ...]) -> Iterator[str]:
    """Which of the machine's frequencies the board file leaves out; boost frequencies count not."""
    for cluster, place in _both(board, places):
        extra = sorted(set(listed_hz(place.folder)) - set(cluster.freqs_hz))
        if extra:
            yield f"cluster {cluster.name} leaves {_mhz(extra)} MHz of {place.folder.name} unused"


def _both(board: Board, places: tuple[Place, ...]) -> Iterator[tuple[Cluster, Place]]:
    """The clusters that the machine has too."""
    theirs = {place.cores: place for place in places}
    for cluster in board.clusters:
        if cluster.cores in theirs:
            yield cluster, theirs[cluster.cores]


def shipped_board_of(root: Path) -> str | None:
    """The shipped board with this machine's cores and frequencies, None where there is none."""
    places = find_places(root)
    names = shipped_boards() if places else ()
    return next((name for name in names if _is_exactly(load_board(name), places)), None)


def _is_exactly(board: Board, places: tuple[Place, ...]) -> bool:
    wrong = (*cluster_differences(board, places), *unused_frequencies(board, places))
    return not wrong


def _cores(clusters: Iterable[tuple[int, ...]]) -> str:
    return " | ".join(",".join(map(str, cores)) for cores in sorted(clusters)) or "none"


def _mhz(freqs_hz: list[int]) -> str:
    return ", ".join(f"{freq_hz / 1e6:g}" for freq_hz in freqs_hz)
