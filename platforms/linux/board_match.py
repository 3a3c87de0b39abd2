"""Whether a board file describes this machine: clusters, cores, frequencies, sensors."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from platforms.board import Board
from platforms.board_file import load_board, shipped_boards
from platforms.linux.frequency_policies import listed_hz
from platforms.linux.place import Place, find_places
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
    ours = {cluster.cores: cluster for cluster in board.clusters}
    theirs = {place.cores: place for place in places}
    if set(ours) != set(theirs):
        yield (
            f"clusters must have the cores {_cores(ours)} (cpufreq has {_cores(theirs)}); cores "
            "that are all offline have no policy"
        )
    for cores in sorted(set(ours) & set(theirs)):
        listed = listed_hz(theirs[cores].folder)
        if listed and listed != ours[cores].freqs_hz:
            extra = sorted(set(ours[cores].freqs_hz) ^ set(listed))
            yield (
                f"cluster {ours[cores].name} must have the frequencies that "
                f"{theirs[cores].folder.name} lists (differing: {_mhz(extra)} MHz)"
            )


def shipped_board_of(root: Path) -> str | None:
    """The shipped board with this machine's cores and frequencies, None where there is none."""
    places = find_places(root)
    names = shipped_boards() if places else ()
    return next((n for n in names if not any(cluster_differences(load_board(n), places))), None)


def _cores(clusters: Mapping[tuple[int, ...], object]) -> str:
    return " | ".join(",".join(map(str, cores)) for cores in sorted(clusters)) or "none"


def _mhz(freqs_hz: list[int]) -> str:
    return ", ".join(f"{freq_hz / 1e6:g}" for freq_hz in freqs_hz)
