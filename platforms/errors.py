"""The errors that a user can cause and repair."""


class InvalidInput(ValueError):
    """A file or an argument that ilgov cannot work with.

    The message is complete: it names the file, the field, what it must be and what came. The
    command line prints it as it is, without a traceback, and exits with code 2.
    """


class ThermalLimit(Exception):
    """The board cannot hold the asked state: it grows too hot. Less load or lower OPPs help."""
