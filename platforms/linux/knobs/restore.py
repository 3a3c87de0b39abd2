"""What a run that ended badly has left, undone: the work of ``ilgov restore`` and of each start."""

from pathlib import Path

from platforms.linux.knobs.file_undo import never_set
from platforms.linux.knobs.journal import Journal, read_boot_id, read_journal
from platforms.linux.knobs.journal_entries import Undo
from platforms.linux.knobs.knobs import KnobWriter, RestoreReport
from platforms.linux.knobs.system_calls import SchedulerCalls

__all__ = ["RestoreReport", "pending", "restore"]


def restore(
    root: Path, journal_path: Path, calls: SchedulerCalls, *, strict: bool = True
) -> RestoreReport:
    """Put everything back as the journal says, then delete it.

    No journal, or one of another boot: nothing to do. It is kept, with what is left to do, where
    something could not be restored. `strict`: see `Journal.open`. Raises JournalUnusable where the
    journal cannot be trusted or another ilgov holds it.
    """
    try:
        journal = Journal.open(
            journal_path, boot_id=read_boot_id(root), strict=strict, create=False
        )
    except FileNotFoundError:
        return RestoreReport()
    try:
        writer = KnobWriter(root, journal, calls)
        report = writer.restore_all()
        writer.close()
        if not report.problems:
            journal.remove()
        return _with_damage(report, journal)
    finally:
        journal.close()


def _with_damage(report: RestoreReport, journal: Journal) -> RestoreReport:
    """Add that lines could not be read, if so: what they would have undone is as it is."""
    if not journal.damaged_lines:
        return report
    problem = f"{journal.path} must be lines of JSON (got {journal.damaged_lines} damaged lines)"
    return RestoreReport(report.restored, (*report.problems, problem), report.gone)


def pending(root: Path, journal_path: Path) -> Undo:
    """Return what `restore` would write, changing nothing. Raises JournalUnusable."""
    undo = read_journal(journal_path, boot_id=read_boot_id(root))
    undo.files = {path: old for path, old in undo.files.items() if not never_set(path, old)}
    return undo
