"""A file that is opened when it is first needed, and then kept open."""

import os


class KeptFile:
    """The descriptor of such a file, -1 while it is closed; it ends with the object."""

    __slots__ = ("_descriptor",)

    def __init__(self) -> None:
        self._descriptor = -1

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()
