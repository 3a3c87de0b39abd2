"""The machine that is examined, with the configuration that the daemon would have on it."""

from functools import cached_property
from pathlib import Path

from msgspec import Struct

from platforms.board import Board
from platforms.board_file import load_board
from platforms.errors import InvalidInput
from platforms.linux.files.maybe_file import is_there
from platforms.linux.probe.board_match import shipped_board_of
from platforms.linux.root_option import under
from rm.daemon.configuration.configuration import Configuration, load_configuration
from rm.daemon.configuration.settings import DEFAULT_PATH


class Machine(Struct, frozen=True, dict=True):
    """`root` is the root of the machine's file system.

    `configuration` is what was read from `origin`; None where nothing was, because there is no such
    file or for `configuration_problem`.
    """

    root: Path
    origin: Path
    configuration: Configuration | None
    configuration_problem: str | None

    @property
    def is_this(self) -> bool:
        """Whether this process runs on the machine, and system calls tell about it."""
        return self.root.resolve() == Path("/")

    def at(self, path: Path) -> Path:
        """An absolute path of the machine, as this process reaches it."""
        return under(self.root, path)

    @property
    def settings(self) -> Configuration:
        """The configuration, or the defaults for the board that the machine seems to be."""
        return self.configuration or Configuration(board=shipped_board_of(self.root) or "unknown")

    @cached_property
    def board_or_problem(self) -> Board | str:
        """The board of the configuration, or why there is none."""
        try:
            return load_board(self.settings.board)
        except InvalidInput as error:
            return str(error)

    @property
    def board(self) -> Board | None:
        """The board, None where it cannot be used."""
        found = self.board_or_problem
        return found if isinstance(found, Board) else None


def machine(root: Path, given: Path | None) -> Machine:
    """The machine at `root`; `given` is the configuration file, by default the usual one there."""
    path = given or under(root, DEFAULT_PATH)
    if given is None and not is_there(path):
        return Machine(root, path, None, None)
    try:
        return Machine(root, path, load_configuration(path, root=root), None)
    except InvalidInput as error:
        return Machine(root, path, None, str(error))
