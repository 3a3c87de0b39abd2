"""What became of putting things back."""

from msgspec import Struct


class RestoreReport(Struct, frozen=True):
    """Knobs, threads and processes put back, those that are gone (ended, unloaded), what failed."""

    restored: int = 0
    problems: tuple[str, ...] = ()
    gone: int = 0
