"""Who else turns the same knobs."""

from collections.abc import Iterator
from pathlib import Path

from platforms.linux.processes.processes import ProcessTable, hidepid
from rm.daemon.rivals import ANOTHER_ILGOV, find_rivals
from rm.doctor.finding import Finding, degraded, missing, ok
from rm.doctor.rights import sees_all_processes
from rm.doctor.subject import Machine


def examine_rivals(machine: Machine) -> Iterator[Finding]:
    """Every rival that runs."""
    if not (machine.root / "proc").is_dir():
        means = "neither rivals nor applications can be seen"
        yield missing("processes", "no /proc", means, "mount -t proc proc /proc")
        return
    yield from _hidden(machine.root)
    rivals = find_rivals(ProcessTable(machine.root))
    for rival in rivals:
        if rival.name == ANOTHER_ILGOV:
            means = "a second one would refuse to start; 'ilgov status' asks this one"
            yield degraded("rivals", f"ilgov runs already (pid {rival.pid})", means, rival.way_out)
            continue
        where = f"pid {rival.pid}" + (f", {rival.unit}" if rival.unit else "")
        yield missing(
            "rivals",
            f"{rival.name} runs ({where})",
            f"it sets {rival.turns}: ilgov refuses to start beside it",
            rival.way_out,
        )
    if not rivals:
        yield ok("rivals", "none runs")


def _hidden(root: Path) -> Iterator[Finding]:
    """Whether ``/proc`` hides other users' processes, and from whom."""
    option = hidepid(root)
    if option is None:
        return
    found = f"/proc is mounted with hidepid={option}"
    if sees_all_processes(root):
        yield ok("processes", f"{found}, which hides none from this user")
    else:
        yield degraded(
            "processes",
            found,
            "neither rivals nor applications of other users are seen",
            "run as root with CAP_SYS_PTRACE (the unit has it), or: mount -o remount,hidepid=0 "
            "/proc",
        )
