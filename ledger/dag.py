"""Reading UnixFS trees out of any block source: directories, paths, files and ranges of files.

A block source is a function from CID to bytes that has already checked the bytes against the CID.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from ledger.cid import CODEC_RAW, Buffer, Cid, hamt_key
from ledger.errors import MalformedError, MismatchError, NotFoundError
from ledger.unixfs import TYPE_DIRECTORY, TYPE_FILE, TYPE_HAMT_SHARD, Link, Node, decode_node

__all__ = ["BlobReader", "GetBlock", "list_directory", "resolve", "walk"]

GetBlock = Callable[[Cid], bytes]
_DEPTH_LIMIT: Final = 16
_FANOUT: Final = 256
#: All paths of a handover lead over the same few nodes; taking one of thousands of links apart takes milliseconds.
_decode = lru_cache(maxsize=32)(decode_node)


def _directory(get_block: GetBlock, cid: Cid) -> Node:
    if cid.codec == CODEC_RAW:
        raise NotFoundError("expected a directory, got a file", where=str(cid), code="not_a_directory")
    node = _decode(get_block(cid))
    if node.kind == TYPE_FILE:
        raise NotFoundError("expected a directory, got a file", where=str(cid), code="not_a_directory")
    if node.kind == TYPE_HAMT_SHARD and node.fanout != _FANOUT:
        raise MalformedError(f"expected fan-out {_FANOUT}, got {node.fanout}", where=str(cid), actual=node.fanout)
    return node


def list_directory(get_block: GetBlock, cid: Cid) -> Iterator[tuple[str, Cid]]:
    """Yield name and CID of each entry, in the order of the blocks.

    Args:
        get_block: the block source.
        cid: the directory.

    Raises:
        NotFoundError: a block is missing, or it is a file.
        MalformedError: a block is not UnixFS.
    """
    yield from _list(get_block, cid, 0)


def _list(get_block: GetBlock, cid: Cid, depth: int) -> Iterator[tuple[str, Cid]]:
    if depth > _DEPTH_LIMIT:
        raise MalformedError("expected shards 8 deep at most, got deeper ones", where=str(cid))
    node = _directory(get_block, cid)
    for link in node.links:
        child = Cid.from_bytes(link.cid)
        if node.kind == TYPE_DIRECTORY:
            yield link.name.decode(), child
        elif len(link.name) == 2:
            yield from _list(get_block, child, depth + 1)
        else:
            yield link.name[2:].decode(), child


def resolve(get_block: GetBlock, root: Cid, path: str) -> Cid:
    """Follow a path below a directory.

    Args:
        get_block: the block source.
        root: where to start.
        path: `/`-separated names such as `content/7`; empty: the root itself.

    Raises:
        NotFoundError: no such entry, or a block is missing.
    """
    cid = root
    for name in path.split("/") if path else ():
        cid = _child(get_block, cid, name)
    return cid


def _child(get_block: GetBlock, cid: Cid, name: str) -> Cid:
    wanted = name.encode()
    key = hamt_key(wanted)
    directory = cid
    for shift in range(56, -8, -8):
        node = _directory(get_block, directory)
        if node.kind == TYPE_DIRECTORY:
            found: Link | None = next((link for link in node.links if link.name == wanted), None)
        else:
            prefix = b"%02X" % (key >> shift & 0xFF)
            found = next((link for link in node.links if link.name[:2] == prefix), None)
            if found and found.name == prefix:
                directory = Cid.from_bytes(found.cid)
                continue
            if found and found.name[2:] != wanted:
                found = None
        if found:
            return Cid.from_bytes(found.cid)
        break
    raise NotFoundError(f"expected an entry {name!r}, got none", where=str(cid), actual=name)


def walk(get_block: GetBlock, root: Cid) -> Iterator[tuple[Cid, bytes]]:
    """Yield every block of a tree, parents first, each with its CID; a block linked twice comes twice."""
    waiting = [root]
    while waiting:
        cid = waiting.pop()
        block = get_block(cid)
        yield cid, block
        if cid.codec != CODEC_RAW:
            waiting.extend(Cid.from_bytes(link.cid) for link in reversed(decode_node(block).links))


class BlobReader(io.RawIOBase):
    """A file's bytes as a seekable stream; each block is fetched when it is needed, one at a time.

    Args:
        get_block: the block source.
        cid: the file.

    Raises:
        NotFoundError: the root block is missing, or it is a directory.
        MalformedError: the root block is not UnixFS.
    """

    def __init__(self, get_block: GetBlock, cid: Cid) -> None:
        super().__init__()
        self._get_block = get_block
        self._cid = cid
        self._position = 0
        self._leaf_start = 0
        self._leaf = b""
        if cid.codec == CODEC_RAW:
            self._leaf = get_block(cid)
            self.size = len(self._leaf)
        else:
            self.size = self._file_node(cid).file_size

    def _file_node(self, cid: Cid) -> Node:
        node = decode_node(self._get_block(cid))
        if node.kind != TYPE_FILE:
            raise NotFoundError("expected a file, got a directory", where=str(cid), code="not_a_file")
        if node.inline or node.file_size != sum(node.block_sizes):
            raise MalformedError("expected a file size that is the sum of its parts, got another", where=str(cid))
        return node

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, as for any stream."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError("negative seek position")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def readinto(self, buffer: Buffer) -> int:  # type: ignore[override]
        """Fill `buffer` with the bytes at the position; returns how many."""
        view = memoryview(buffer).cast("B")
        done = 0
        for piece in self.iter_range(self._position, len(view)):
            view[done : done + len(piece)] = piece
            done += len(piece)
        self._position += done
        return done

    def iter_range(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range, a block at a time, without moving the position.

        Args:
            start: first byte; at or past the end yields nothing.
            length: bytes at most; None: to the end.

        Raises:
            NotFoundError: a block is missing.
            MismatchError: a block is damaged, or has another length than its parent says.
        """
        end = self.size if length is None else min(self.size, start + length)
        while start < end:
            self._load(start)
            at = start - self._leaf_start
            piece = self._leaf[at : at + end - start]
            start += len(piece)
            yield piece

    def _load(self, position: int) -> None:
        if self._leaf_start <= position < self._leaf_start + len(self._leaf):
            return
        cid, start, size = self._cid, 0, self.size
        for _ in range(_DEPTH_LIMIT):
            if cid.codec == CODEC_RAW:
                leaf = self._get_block(cid)
                if len(leaf) != size:
                    raise MismatchError(
                        f"expected a leaf of {size} bytes, got {len(leaf)}",
                        where=str(cid),
                        expected=size,
                        actual=len(leaf),
                    )
                self._leaf, self._leaf_start = leaf, start
                return
            node = self._file_node(cid)
            if node.file_size != size:
                raise MismatchError(
                    f"expected a node over {size} bytes, got {node.file_size}",
                    where=str(cid),
                    expected=size,
                    actual=node.file_size,
                )
            for link, size in zip(node.links, node.block_sizes, strict=True):  # noqa: B007
                if position < start + size:
                    break
                start += size
            cid = Cid.from_bytes(link.cid)
        raise MalformedError(f"expected a file {_DEPTH_LIMIT} levels deep at most, got more", where=str(self._cid))
