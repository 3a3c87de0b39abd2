"""What can go wrong between ilgov and the kernel. A leaf: every file here may import it."""


class Unreadable(OSError):
    """A kernel file cannot be read now: the core is unplugged, the sensor busy. Try again later."""


class WriteRefused(OSError):
    """The kernel refused a write; the knob is as it was. The message names path, value, reason."""


class JournalUnusable(OSError):
    """The old value cannot be stored on disk, so nothing was written to the machine."""
