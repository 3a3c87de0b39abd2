"""Tests of how the daemon's socket comes into the file system."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms.errors import InvalidInput
from rm.daemon.clients.socket_file import SocketFile


@pytest.fixture
def umask() -> Iterator[None]:
    """A process that lets everybody write what it makes."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    """A file's permissions."""
    return stat.S_IMODE(path.lstat().st_mode)


def connects(path: Path) -> bool:
    """Whether somebody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0


@pytest.mark.usefixtures("umask")
def test_everybody_may_connect_and_nobody_may_write_beside_it(tmp_path: Path) -> None:
    """The folder is made too; the lock is the daemon's own."""
    path = tmp_path / "ilgov/socket"
    file = SocketFile(path)
    assert [0o755, 0o666, 0o600] == [
        mode(path.parent),
        mode(path),
        mode(path.with_name("socket.lock")),
    ]
    assert connects(path)
    file.close()
    assert not path.exists()


def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    """After a crash the next start must not need a hand."""
    path = tmp_path / "socket"
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from rm.daemon.clients.socket_file import SocketFile\n"
        "file = SocketFile(Path(sys.argv[1]))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, path], check=False)
    assert -9 == ended.returncode
    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert not connects(path)
    file = SocketFile(path)
    assert connects(path)
    file.close()


def test_a_living_daemons_socket_is_left_alone(tmp_path: Path) -> None:
    """It is said who has it, and what to do."""
    path = tmp_path / "socket"
    file = SocketFile(path)
    with pytest.raises(InvalidInput) as caught:
        SocketFile(path)
    assert (
        f"socket must not be served already: another ilgov has {path}; stop it first "
        "('systemctl stop ilgov'), or name another socket" == str(caught.value)
    )
    assert connects(path)
    file.close()


def test_a_socket_that_somebody_else_serves_is_left_alone(tmp_path: Path) -> None:
    """Not all who listen know the lock; one whose queue is full lives too."""
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen(0)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as waiting:
            waiting.connect(str(path))
            with pytest.raises(InvalidInput, match="must not be served already"):
                SocketFile(path)


def test_what_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    """Nor is what a link leads to."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link"):
        with pytest.raises(InvalidInput, match="socket must not be another kind of file"):
            SocketFile(tmp_path / name)
    assert "precious" == (tmp_path / "file").read_text()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nothing is created where it leads."""
    (tmp_path / "socket.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match="can be written"):
        SocketFile(tmp_path / "socket")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """They could put their own socket there, and applications would talk to it."""
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(InvalidInput, match="must be writable by its owner only"):
        SocketFile(folder / "socket")
    folder.chmod(0o755)
    os.chown(folder, 65534, 65534)
    with pytest.raises(InvalidInput, match="must belong to root"):
        SocketFile(folder / "socket")
    assert [] == list(folder.iterdir())


def test_a_path_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """Too long for the kernel, or under what is no folder."""
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="path of at most 107 bytes"):
        SocketFile(tmp_path / ("x" * 107))
    with pytest.raises(InvalidInput, match="must lie in a folder that can be made"):
        SocketFile(tmp_path / "none/none/socket")
    with pytest.raises(InvalidInput, match="must lie in a folder that can be made"):
        SocketFile(tmp_path / "file/socket")


def test_another_daemons_new_socket_is_not_removed_at_the_end(tmp_path: Path) -> None:
    """Only what is still ours."""
    path = tmp_path / "socket"
    file = SocketFile(path)
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        file.close()
        assert path.exists()
