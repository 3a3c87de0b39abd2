"""Everything that the doctor looks at, in the order in which it is told."""

from collections.abc import Callable, Iterator

from rm.doctor.counting import examine_counters
from rm.doctor.described import examine_board, examine_configuration, examine_policy
from rm.doctor.finding import Finding
from rm.doctor.frequencies import examine_frequencies
from rm.doctor.groups import examine_groups
from rm.doctor.heat import examine_heat
from rm.doctor.kernel import examine_kernel
from rm.doctor.places import examine_places
from rm.doctor.rights import examine_rights
from rm.doctor.rivalry import examine_rivals
from rm.doctor.software import examine_software, examine_systemd
from rm.doctor.subject import Machine
from rm.doctor.training import examine_training

EXAMINATIONS: tuple[Callable[[Machine], Iterator[Finding]], ...] = (
    examine_kernel,
    examine_rights,
    examine_frequencies,
    examine_heat,
    examine_counters,
    examine_groups,
    examine_training,
    examine_configuration,
    examine_board,
    examine_policy,
    examine_places,
    examine_rivals,
    examine_software,
    examine_systemd,
)


def examine(machine: Machine) -> tuple[Finding, ...]:
    """All findings."""
    return tuple(finding for look in EXAMINATIONS for finding in look(machine))
