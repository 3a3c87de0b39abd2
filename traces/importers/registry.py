"""All formats by name, and a look at a file to find out which one it is."""

from collections.abc import Sequence

from platforms.errors import InvalidInput
from traces.importers.armpm import Armpm
from traces.importers.armpm_sensors import ArmpmSensors
from traces.importers.freqbench import Freqbench
from traces.importers.hotspot import Hotspot
from traces.importers.importer import Importer
from traces.importers.perf_stat import PerfStat
from traces.importers.powmon import Powmon
from traces.importers.sbc_bench import SbcBench
from traces.importers.source import SourceFile

AUTO = "auto"

IMPORTERS: dict[str, Importer] = {
    one.name: one
    for one in (
        Powmon(),
        Armpm(),
        ArmpmSensors(),
        Freqbench(),
        PerfStat(),
        SbcBench(),
        Hotspot(),
    )
}
"""The importers by the name of their format."""


def importer_for(name: str, sources: Sequence[SourceFile]) -> Importer:
    """The importer of a format; with ``auto``, of the one that all files seem to be of."""
    if name != AUTO:
        return IMPORTERS[name]
    found = {_sniffed(source) for source in sources}
    if len(found) > 1:
        raise InvalidInput(f"the files must be of one format (got {', '.join(sorted(found))})")
    return IMPORTERS[found.pop()]


def _sniffed(source: SourceFile) -> str:
    head = source.head()
    for name, importer in IMPORTERS.items():
        if importer.sniff(head):
            return name
    shown = head[0][:80] if head else ""
    raise InvalidInput(
        f"{source.path}: line 1: must be of a format that ilgov knows, {', '.join(IMPORTERS)} "
        f"(got {shown!r}); where it is one of them, name it with --format"
    )
