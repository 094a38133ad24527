"""`yunshang cid`: the IPFS address of a file or folder, computed without any IPFS node."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from archive_api.cli.failures import CommandError
from archive_api.cli.options import JsonOption
from archive_api.cli.output import Output
from ledger.cid import FileCid, Tree, build_directory

__all__ = ["cid", "tree_of"]

_PIECE_BYTES = 1 << 20


def cid(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="文件或文件夹 A file or folder.")],
    as_json: JsonOption = False,
) -> None:
    """计算文件或文件夹的 IPFS 内容标识（CID）。Compute the IPFS address of a file or folder.

    The CID is that of the profile `unixfs-v1-2025`, so `ipfs add` with this profile gives the same one.

    Examples:

        yunshang cid report.pdf

        yunshang cid ./handover --json
    """
    output = Output(as_json)
    names = [path, *path.rglob("*")] if path.is_dir() else [path]
    total = sum(name.lstat().st_size for name in names if name.is_file() or name == path)
    with output.progress("计算中", "hashing", total) as advance:
        tree = tree_of(path, advance)
    output.say(f"{tree.cid}", f"{path}: {tree.tree_bytes} bytes in blocks", style="bold")
    output.result({"path": str(path), "cid": str(tree.cid), "tree_bytes": tree.tree_bytes, "profile": "unixfs-v1-2025"})


def tree_of(path: Path, advance: Callable[[int], None]) -> Tree:
    """Compute a file's or folder's tree by the profile `unixfs-v1-2025`, in constant memory a file.

    Args:
        path: a regular file or a folder of such.
        advance: called with the bytes read since the last call.

    Raises:
        CommandError: a symbolic link or special file was met.
    """
    if path.is_symlink() or not (path.is_file() or path.is_dir() or not path.exists()):
        raise CommandError(
            f"不接受符号链接或特殊文件：{path}",
            f"expected a regular file or a folder, got a link or special file: {path}",
            code="not_a_regular_file",
        )
    if path.is_dir():
        return build_directory((child.name, tree_of(child, advance)) for child in sorted(path.iterdir()))
    hasher = FileCid()
    buffer = bytearray(_PIECE_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as stream:
        while size := stream.readinto(buffer):
            hasher.update(view[:size])
            advance(size)
    return hasher.finish().tree
