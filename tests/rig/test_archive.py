"""Tests of the initramfs: another program must be able to unpack it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.rig.archive import write_archive


def test_cpio_unpacks_what_was_packed(tmp_path: Path) -> None:
    """Files with their modes, folders, and links that lead nowhere yet."""
    if shutil.which("cpio") is None:
        pytest.skip("cpio is not on this machine; the kernel unpacks the real one")
    folder, target = tmp_path / "folder", tmp_path / "unpacked"
    (folder / "sub").mkdir(parents=True)
    target.mkdir()
    (folder / "sub" / "file").write_bytes(b"content")
    (folder / "sub" / "file").chmod(0o755)
    (folder / "link").symlink_to("sub/nowhere")
    write_archive(folder, tmp_path / "archive")
    with (tmp_path / "archive").open("rb") as archive:
        subprocess.run(["cpio", "-i", "-d", "--quiet"], stdin=archive, cwd=target, check=True)
    assert b"content" == (target / "sub" / "file").read_bytes()
    assert 0o755 == (target / "sub" / "file").stat().st_mode & 0o777
    assert Path("sub/nowhere") == (target / "link").readlink()
