"""Replace several files together: all of them, or none."""

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path


def replace_together(contents: Mapping[Path, bytes]) -> None:
    """Write each file's bytes, in this order: temporary files first, then all are renamed.

    Folders that are missing are made. An OSError names the file; whatever goes wrong, Ctrl-C
    included, what stood there before stands there again.
    """
    with ExitStack() as undo:
        temporary = {path: _beside(path, undo) for path in contents}
        for path, content in contents.items():
            temporary[path].write_bytes(content)
            temporary[path].chmod(0o644)
        with ExitStack() as restored:
            for path in contents:
                _restore_on_failure(path, undo, restored)
                temporary[path].replace(path)
            restored.pop_all()


def _beside(path: Path, undo: ExitStack) -> Path:
    """An empty file in the same folder, gone when `undo` ends."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        error.filename = str(path)
        raise
    os.close(handle)
    undo.callback(Path(name).unlink, missing_ok=True)
    return Path(name)


def _restore_on_failure(path: Path, undo: ExitStack, restored: ExitStack) -> None:
    """Have `restored` put back what stands at `path` now, or nothing."""
    if not path.exists():
        restored.callback(path.unlink, missing_ok=True)
        return
    kept = _beside(path, undo)
    shutil.copy2(path, kept)
    restored.callback(kept.replace, path)
