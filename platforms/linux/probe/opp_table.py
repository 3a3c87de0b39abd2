"""Operating points with their voltages: as the kernel uses them (debugfs), as the tree has them."""

from pathlib import Path

from msgspec import Struct

from platforms.linux.files.maybe_file import folders_at, number_at
from platforms.linux.probe.device_tree import DeviceTree, Node

_WHERE = "sys/kernel/debug/opp"
LEAST_V, MOST_V = 0.2, 2.0
"""What a supply of cores can be; board files take nothing else."""

DEBUGFS_WAY_OUT = "mount -t debugfs none /sys/kernel/debug, and probe as root"


class OppTable(Struct, frozen=True):
    """Voltage by frequency (Hz); None: the point is there, its voltage is not.

    `latency_ns` is how long a change takes, where the tree says it. `binned`: the tree has several
    voltages for a point, and which holds depends on the piece of silicon; these are the first ones.
    """

    volts: dict[int, float | None]
    latency_ns: int | None = None
    binned: bool = False

    @property
    def freqs_hz(self) -> tuple[int, ...]:
        """All frequencies, lowest first."""
        return tuple(sorted(self.volts))

    def volts_at(self, freqs_hz: tuple[int, ...]) -> tuple[float, ...] | None:
        """The voltages of these frequencies, None unless all are known and make sense."""
        found = [self.volts.get(freq_hz) for freq_hz in freqs_hz]
        known = tuple(volt_v for volt_v in found if volt_v and LEAST_V <= volt_v <= MOST_V)
        return known if found and len(known) == len(found) else None


def used_opps(root: Path, device: str) -> OppTable:
    """The points that the kernel uses for a device (``cpu4``, ``fb000000.gpu``), by debugfs."""
    volts: dict[int, float | None] = {}
    for folder in folders_at(root / _WHERE / device, "opp:*"):
        freq_hz = number_at(folder / "rate_hz") or _number_after_colon(folder.name)
        microvolts = number_at(folder / "supply-0/u_volt_target")
        if freq_hz:
            volts[freq_hz] = microvolts / 1e6 if microvolts else None
    return OppTable(volts)


def described_opps(tree: DeviceTree, node: Node | None) -> OppTable:
    """The points that the device tree has for a device, whichever way it writes them."""
    if node is None:
        return OppTable({})
    table = tree.target(node.cell("operating-points-v2"))
    if table is None:
        return _old_style(node)
    points = [child for child in table.children() if child.has("opp-hz")]
    latencies = [ns for point in points if (ns := point.cell("clock-latency-ns"))]
    volts = {point.wide("opp-hz") or 0: _microvolts(point) for point in points}
    return OppTable(
        {hz: uv / 1e6 if uv else None for hz, uv in volts.items()},
        latencies[0] if latencies else None,
        binned=any(_has_bins(point) for point in points),
    )


def _old_style(node: Node) -> OppTable:
    """``operating-points``: pairs of kHz and uV."""
    cells = node.cells("operating-points")
    pairs = zip(cells[::2], cells[1::2], strict=False)
    volts: dict[int, float | None] = {khz * 1000: uv / 1e6 if uv else None for khz, uv in pairs}
    return OppTable(volts, node.cell("clock-latency"))


def _microvolts(point: Node) -> int | None:
    """The target voltage; of a table with several bins of silicon (``-L0`` ...) the first one's."""
    plain = point.cell("opp-microvolt")
    bins = sorted(point.folder.glob("opp-microvolt-*"))
    return point.cell(bins[0].name) if plain is None and bins else plain


def _has_bins(point: Node) -> bool:
    return any(point.folder.glob("opp-microvolt-*"))


def _number_after_colon(name: str) -> int | None:
    digits = name.partition(":")[2]
    return int(digits) if digits.isdecimal() else None
