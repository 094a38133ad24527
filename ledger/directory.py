"""Directories changed without reading what stays: new blocks for what differs, links for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from ledger.cid import CODEC_DAG_PB, BlockSink, Cid, Tree, build_directory
from ledger.dag import GetBlock
from ledger.errors import MalformedError
from ledger.unixfs import TYPE_DIRECTORY, decode_node

__all__ = ["change_directory"]

_Changes: TypeAlias = "dict[str, Tree | _Changes | None]"


def change_directory(
    get_block: GetBlock, root: Cid | None, changes: Mapping[str, Tree | None], on_block: BlockSink
) -> Tree | None:
    """Build the directory that another one becomes.

    Args:
        get_block: the block source; asked for the directories on the way to a change, and for no file.
        root: the directory as it was; None: empty. None of the directories on the way may be a HAMT.
        changes: by path below the root, names joined by `/`: what stands there from now on, or None where nothing does.
            A directory that nothing is left in is dropped.
        on_block: takes the new directories' blocks.

    Returns:
        The new root, or None where nothing is left.

    Raises:
        NotFoundError: a block is missing.
        MalformedError: a directory on the way is a file or a HAMT, or a path leads through what another one replaces.
    """
    nested: _Changes = {}
    for path, tree in changes.items():
        *folders, name = path.split("/")
        at = nested
        for folder in folders:
            inner = at.setdefault(folder, {})
            if not isinstance(inner, dict):
                raise MalformedError("expected paths apart from each other, got one below another", where=path)
            at = inner
        at[name] = tree
    return _changed(get_block, root, nested, on_block)


def _changed(get_block: GetBlock, cid: Cid | None, changes: _Changes, on_block: BlockSink) -> Tree | None:
    entries = {} if cid is None else _entries(get_block, cid)
    for name, change in changes.items():
        made = change
        if isinstance(made, dict):
            former = entries.get(name)
            made = _changed(get_block, None if former is None else former.cid, made, on_block)
        if made is None:
            entries.pop(name, None)
        else:
            entries[name] = made
    return build_directory(entries.items(), on_block) if entries else None


def _entries(get_block: GetBlock, cid: Cid) -> dict[str, Tree]:
    node = decode_node(get_block(cid)) if cid.codec == CODEC_DAG_PB else None
    if node is None or node.kind != TYPE_DIRECTORY:
        raise MalformedError("expected a plain directory, got something else", where=str(cid))
    return {link.name.decode(): Tree(Cid.from_bytes(link.cid), link.tree_bytes) for link in node.links}
