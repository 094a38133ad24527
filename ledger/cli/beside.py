"""Names beside a file or folder that is being written, and what killed processes left under such names."""

from __future__ import annotations

import ctypes
import glob
import os
import shutil
from pathlib import Path
from typing import Final

__all__ = ["beside", "put_in_place"]

_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2


def beside(path: Path, suffix: str) -> Path:
    """Return a hidden name of this process's own beside a path; nothing is there.

    What processes that were killed left under such names is removed first: it may hold keys, or what was decrypted.

    Args:
        path: what will be written, or replaced.
        suffix: a word of whoever writes.

    Returns:
        `.NAME.PID.SUFFIX` in the folder of `path`.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.{suffix}"):
        number = left.name.removeprefix(f".{path.name}.").removesuffix(f".{suffix}")
        if not number.isdecimal() or _is_alive(int(number)):
            continue
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.{suffix}")


def put_in_place(new: Path, folder: Path) -> None:
    """Give a folder that was written beside its place its name, and remove the one that had it.

    Whoever looks at any moment sees the one or the other as a whole (on Linux; elsewhere none for a moment).

    Raises:
        OSError: it could not be renamed.
    """
    if not folder.exists():
        new.rename(folder)
        return
    old = beside(folder, "old")
    if _exchange(new, folder):
        new.rename(old)
    else:
        folder.rename(old)
        new.rename(folder)
    shutil.rmtree(old)


def _exchange(one: Path, other: Path) -> bool:
    """Have two names change places at once; False where the system can't."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
